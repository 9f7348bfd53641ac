package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The mechanisms of SASL that we speak.
const (
	SASLPlain       = "PLAIN"
	SASLScram256    = "SCRAM-SHA-256"
	SASLScram512    = "SCRAM-SHA-512"
	SASLOAuthBearer = "OAUTHBEARER"
)

// SASL says who this worker is to the brokers. What stands in a file is read again
// whenever a connection authenticates, so that it may be rotated.
type SASL struct {
	Mechanism    string            `yaml:"mechanism"`
	Username     string            `yaml:"username,omitempty"`
	Password     Secret            `yaml:"password,omitempty"`
	PasswordFile string            `yaml:"password_file,omitempty"`
	Token        Secret            `yaml:"token,omitempty"`
	TokenFile    string            `yaml:"token_file,omitempty"`
	Extensions   map[string]string `yaml:"extensions,omitempty"` // of OAUTHBEARER
}

// Secret is a text that is not shown: it prints, and marshals to YAML, as asterisks.
type Secret string

// String hides the secret; %v and %+v print it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText hides the secret from YAML and JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s SASL) validate() error {
	known := []string{SASLPlain, SASLScram256, SASLScram512, SASLOAuthBearer}
	if !slices.Contains(known, s.Mechanism) {
		return fmt.Errorf("mechanism %q: %s", s.Mechanism, suggest(strings.ToUpper(s.Mechanism), known))
	}
	if s.Mechanism == SASLOAuthBearer {
		switch {
		case (s.Token == "") == (s.TokenFile == ""):
			return errors.New("OAUTHBEARER takes either a token or a token_file")
		case s.Username != "" || s.Password != "" || s.PasswordFile != "":
			return errors.New("OAUTHBEARER takes a token, no username and password")
		}
		return nil
	}
	switch {
	case s.Username == "":
		return fmt.Errorf("%s takes a username", s.Mechanism)
	case (s.Password == "") == (s.PasswordFile == ""):
		return fmt.Errorf("%s takes either a password or a password_file", s.Mechanism)
	case s.Token != "" || s.TokenFile != "" || len(s.Extensions) > 0:
		return fmt.Errorf("%s takes a username and password, no token", s.Mechanism)
	}
	return nil
}

// mechanism returns what the client authenticates with.
func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case SASLPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := secret(s.Password, s.PasswordFile)
			return plain.Auth{User: s.Username, Pass: pass}, err
		})
	case SASLScram256, SASLScram512:
		auth := func(context.Context) (scram.Auth, error) {
			pass, err := secret(s.Password, s.PasswordFile)
			return scram.Auth{User: s.Username, Pass: pass}, err
		}
		if s.Mechanism == SASLScram256 {
			return scram.Sha256(auth)
		}
		return scram.Sha512(auth)
	default: // validate has seen to it
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := secret(s.Token, s.TokenFile)
			return oauth.Auth{Token: token, Extensions: s.Extensions}, err
		})
	}
}

// secret returns a secret or what its file holds, without the line break at the end.
func secret(s Secret, file string) (string, error) {
	text, err := orFile([]byte(s), file)
	return string(bytes.TrimRight(text, "\r\n")), err
}
