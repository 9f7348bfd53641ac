// Package strategyv1 is the generated code of strategy.proto, major version 1 of
// the protocol between host and plugin. The .proto file is the documentation; what
// turns its columns into the slices of core/strategy is decoder-plugins/internal/wire.
package strategyv1

//go:generate go run ../gen .
