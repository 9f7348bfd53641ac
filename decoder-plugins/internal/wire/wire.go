// Package wire is what the two ends of the protocol share: the handshake, the limit
// on messages, and the translation between the slices of core/strategy and the raw
// columns of decoder-plugins/proto/v1, checked in both directions.
//
// Whatever a decoder returns has columns that agree in length and offsets that lie
// in bounds: code behind it indexes without further checks. It does not know the
// rules of the contract; strategy.CheckPlan and strategy.CheckDecision do.
package wire

import (
	"fmt"

	goplugin "github.com/hashicorp/go-plugin"
)

// Version is the protocol's major version: that of the package a3.strategy.v1.
const Version = 1

// ServiceName is the name under which the host asks go-plugin for the strategy.
const ServiceName = "strategy"

// MaxMessage bounds a message in bytes, in both directions: eight million positions.
const MaxMessage = 32 << 20

// Window is how many bytes either side sends ahead of what the other has read: enough for
// a message of a large batch, and what bounds a flood.
const Window = 1 << 20

// Handshake returns what both sides must agree on before they talk. The cookie is
// no secret: it tells somebody who starts a plugin by hand that this is one.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{
		ProtocolVersion:  Version,
		MagicCookieKey:   "A3_STRATEGY_PLUGIN",
		MagicCookieValue: "6d7bb4ac0d2c4f5fb26a0d2f8f9a6a51",
	}
}

// Error is a message that does not fit the protocol.
type Error struct {
	Message string // the protobuf message
	Detail  string
}

func (e *Error) Error() string { return fmt.Sprintf("malformed %s: %s", e.Message, e.Detail) }

func malformed(message, format string, args ...any) error {
	return &Error{Message: message, Detail: fmt.Sprintf(format, args...)}
}
