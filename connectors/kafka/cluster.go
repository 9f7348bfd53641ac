package kafka

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster says which cluster to talk to, and as whom. Its fields in YAML have the names
// that Redpanda Connect gave them.
type Cluster struct {
	Brokers  []string `yaml:"seed_brokers"` // host:port of some brokers of the cluster
	ClientID string   `yaml:"client_id"`
	TLS      TLS      `yaml:"tls,omitempty"`
	SASL     []SASL   `yaml:"sasl,omitempty"` // in order of preference; the first that works is used
	// Client holds further options of the client: a dialer, hooks.
	Client []kgo.Opt `yaml:"-"`
}

func (c Cluster) validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("kafka: no broker: name at least one as host:port")
	}
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		if err != nil || host == "" || port == "" || strings.ContainsAny(host, "/ \t") {
			return fmt.Errorf("kafka: broker %q: must be host:port", b)
		}
	}
	if err := c.TLS.validate(); err != nil {
		return fmt.Errorf("kafka: tls: %w", err)
	}
	for i, s := range c.SASL {
		if err := s.validate(); err != nil {
			return fmt.Errorf("kafka: sasl[%d]: %w", i, err)
		}
	}
	return nil
}

// options are those that every client of the cluster has.
func (c Cluster) options() ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID(c.ClientID)}
	if c.TLS.Enabled {
		config, err := c.TLS.config()
		if err != nil {
			return nil, fmt.Errorf("kafka: tls: %w", err)
		}
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	for _, s := range c.SASL {
		opts = append(opts, kgo.SASL(s.mechanism()))
	}
	return append(opts, c.Client...), nil
}

// withPorts completes brokers that are named without a port.
func withPorts(brokers []string) ([]string, error) {
	out := make([]string, 0, len(brokers))
	for _, host := range brokers {
		host = strings.TrimSpace(host)
		if host == "" {
			return nil, errors.New("a broker is empty")
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), defaultPort)
		}
		out = append(out, host)
	}
	return out, nil
}
