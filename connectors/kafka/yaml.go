package kafka

import (
	"errors"
	"fmt"
)

// sourceYAML is an input as a configuration file writes it. Where Redpanda Connect has a
// name for a field, it is that one.
type sourceYAML struct {
	Cluster           `yaml:",inline"`
	Topics            []string `yaml:"topics"`
	Group             string   `yaml:"consumer_group"`
	Instance          string   `yaml:"instance_id,omitempty"`
	SlotDir           string   `yaml:"slot_dir,omitempty"`
	Protocol          string   `yaml:"group_protocol"`
	Start             string   `yaml:"start_offset"`
	Until             string   `yaml:"until"`
	Format            string   `yaml:"format"`
	CommitInterval    string   `yaml:"commit_period"`
	SessionTimeout    string   `yaml:"session_timeout"`
	RebalanceTimeout  string   `yaml:"rebalance_timeout"`
	MaxUnsettled      int      `yaml:"checkpoint_limit"`
	MaxUnsettledBytes int64    `yaml:"partition_buffer_bytes"`
}

// toYAML is the form of options that a configuration shows.
func (o SourceOptions) toYAML() sourceYAML {
	y := sourceYAML{
		Cluster: o.Cluster, Topics: o.Topics, Group: o.Group, Instance: o.Instance, SlotDir: o.SlotDir,
		Protocol: word(protocols, o.Protocol), Start: word(starts, o.Start), Until: word(untils, o.Until), Format: word(formats, o.Format),
		CommitInterval: o.CommitInterval.String(), SessionTimeout: o.SessionTimeout.String(), RebalanceTimeout: o.RebalanceTimeout.String(),
		MaxUnsettled: o.MaxUnsettled, MaxUnsettledBytes: o.MaxUnsettledBytes,
	}
	return y
}

// MarshalYAML shows the options, without their secrets.
func (o SourceOptions) MarshalYAML() (any, error) { return o.toYAML(), nil }

// UnmarshalYAML reads the options over the defaults, and checks them. Whether unknown
// fields are errors is the decoder's choice: they should be.
func (o *SourceOptions) UnmarshalYAML(unmarshal func(any) error) error {
	y := DefaultSourceOptions().toYAML()
	if err := unmarshal(&y); err != nil {
		return err
	}
	out := SourceOptions{
		Cluster: y.Cluster, Topics: y.Topics, Group: y.Group, Instance: y.Instance, SlotDir: y.SlotDir,
		MaxUnsettled: y.MaxUnsettled, MaxUnsettledBytes: y.MaxUnsettledBytes,
	}
	err := errors.Join(
		in("group_protocol", choice(&out.Protocol, protocols)(y.Protocol)),
		in("start_offset", choice(&out.Start, starts)(y.Start)),
		in("until", choice(&out.Until, untils)(y.Until)),
		in("format", choice(&out.Format, formats)(y.Format)),
		in("commit_period", duration(&out.CommitInterval)(y.CommitInterval)),
		in("session_timeout", duration(&out.SessionTimeout)(y.SessionTimeout)),
		in("rebalance_timeout", duration(&out.RebalanceTimeout)(y.RebalanceTimeout)))
	if err != nil {
		return err
	}
	if out.Brokers, err = withPorts(out.Brokers); err != nil {
		return in("seed_brokers", err)
	}
	if err := out.Validate(); err != nil {
		return err
	}
	*o = out
	return nil
}

// sinkYAML is an output as a configuration file writes it.
type sinkYAML struct {
	Cluster         `yaml:",inline"`
	Topic           string `yaml:"topic"`
	Format          string `yaml:"format"`
	MaxMessageBytes int32  `yaml:"max_message_bytes"`
	DeliveryTimeout string `yaml:"timeout"`
}

func (o SinkOptions) toYAML() sinkYAML {
	return sinkYAML{Cluster: o.Cluster, Topic: o.Topic, Format: word(outputFormats, o.Format), MaxMessageBytes: o.MaxMessageBytes, DeliveryTimeout: o.DeliveryTimeout.String()}
}

// MarshalYAML shows the options, without their secrets.
func (o SinkOptions) MarshalYAML() (any, error) { return o.toYAML(), nil }

// UnmarshalYAML reads the options over the defaults, and checks them. Whether unknown
// fields are errors is the decoder's choice: they should be.
func (o *SinkOptions) UnmarshalYAML(unmarshal func(any) error) error {
	y := DefaultSinkOptions().toYAML()
	if err := unmarshal(&y); err != nil {
		return err
	}
	out := SinkOptions{Cluster: y.Cluster, Topic: y.Topic, MaxMessageBytes: y.MaxMessageBytes}
	err := errors.Join(
		in("format", choice(&out.Format, outputFormats)(y.Format)),
		in("timeout", duration(&out.DeliveryTimeout)(y.DeliveryTimeout)))
	if err != nil {
		return err
	}
	if out.Brokers, err = withPorts(out.Brokers); err != nil {
		return in("seed_brokers", err)
	}
	if err := out.Validate(); err != nil {
		return err
	}
	*o = out
	return nil
}

// in names the field that an error is about.
func in(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("kafka: %s: %w", field, err)
}

// word is the inverse of choice.
func word[T comparable](of map[string]T, value T) string {
	for w, v := range of {
		if v == value {
			return w
		}
	}
	return ""
}
