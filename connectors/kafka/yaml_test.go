package kafka

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const inputYAML = `
seed_brokers: [a, "b:9"]
client_id: c
topics: [stories-in, poems-in]
consumer_group: g
instance_id: w1
group_protocol: consumer
start_offset: latest
until: end
format: text
commit_period: 250ms
session_timeout: 6s
rebalance_timeout: 7s
checkpoint_limit: 9
partition_buffer_bytes: 10
tls:
  enabled: true
  root_cas_file: ca.pem
  client_certs: [{cert_file: c.pem, key_file: k.pem}]
sasl:
  - mechanism: SCRAM-SHA-512
    username: u
    password: hunter2
`

func TestInputFromYAML(t *testing.T) {
	var got SourceOptions
	if err := yaml.UnmarshalWithOptions([]byte(inputYAML), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := SourceOptions{
		Cluster: Cluster{
			Brokers: []string{"a:9092", "b:9"}, ClientID: "c",
			TLS:  TLS{Enabled: true, RootCAsFile: "ca.pem", ClientCerts: []ClientCert{{CertFile: "c.pem", KeyFile: "k.pem"}}},
			SASL: []SASL{{Mechanism: SASLScram512, Username: "u", Password: "hunter2"}},
		},
		Topics: []string{"stories-in", "poems-in"}, Group: "g", Instance: "w1", Protocol: ProtocolConsumer, Format: FormatText,
		Start: StartLatest, Until: UntilEnd, CommitInterval: 250 * time.Millisecond,
		SessionTimeout: 6 * time.Second, RebalanceTimeout: 7 * time.Second, MaxUnsettled: 9, MaxUnsettledBytes: 10,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}

	// What is shown has the same fields, and no secret.
	shown, err := yaml.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), "hunter2") || !strings.Contains(string(shown), "***") {
		t.Errorf("shown with its secret:\n%s", shown)
	}
	var again SourceOptions
	if err := yaml.UnmarshalWithOptions(shown, &again, yaml.Strict()); err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	again.SASL[0].Password = "hunter2"
	if !reflect.DeepEqual(again, want) {
		t.Errorf("shown and read again: %+v", again)
	}
}

func TestOutputFromYAML(t *testing.T) {
	var got SinkOptions
	text := "seed_brokers: [a]\ntopic: out\nmax_message_bytes: 2048\ntimeout: 5s\nsasl: [{mechanism: PLAIN, username: u, password_file: /run/p}]"
	if err := yaml.UnmarshalWithOptions([]byte(text), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := SinkOptions{
		Cluster: Cluster{Brokers: []string{"a:9092"}, ClientID: "a3", SASL: []SASL{{Mechanism: SASLPlain, Username: "u", PasswordFile: "/run/p"}}},
		Topic:   "out", MaxMessageBytes: 2048, DeliveryTimeout: 5 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// As a configuration file embeds the options.
func TestYAMLErrorsSayWhatToDo(t *testing.T) {
	for text, want := range map[string]string{
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, comit_period: 1s}":      "comit_period",
		"input: {seed_brokers: [a], topics: [t, t], consumer_group: g}":                     "topic t is named twice",
		"input: {seed_brokers: [a], consumer_group: g}":                                     "the topic is missing",
		"input: {seed_brokers: [a], topics: [t]}":                                           "consumer group is missing",
		"input: {topics: [t], consumer_group: g}":                                           "no broker",
		"input: {seed_brokers: [a, ''], topics: [t], consumer_group: g}":                    "seed_brokers: a broker is empty",
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, until: never}":          `until: "never" is not one of end, forever`,
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, group_protocol: x}":     "group_protocol",
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, start_offset: x}":       "start_offset",
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, format: x}":             "format",
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, session_timeout: soon}": "session_timeout",
		"input: {seed_brokers: [a], topics: [t], consumer_group: g, tls: {enable: true}}":   "enable",
		"output: {seed_brokers: [a], topic: t, acks: 1}":                                    "acks",
		"output: {seed_brokers: [a]}":                                                       "the topic is missing",
		"output: {seed_brokers: [''], topic: t}":                                            "a broker is empty",
		"output: {seed_brokers: [a], topic: t, sasl: [{mechanism: GSSAPI}]}":                `mechanism "GSSAPI"`,
	} {
		var config struct {
			Input  *SourceOptions
			Output *SinkOptions
		}
		err := yaml.UnmarshalWithOptions([]byte(text), &config, yaml.Strict())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func FuzzYAML(f *testing.F) {
	f.Add(inputYAML)
	f.Add("seed_brokers: [a]\ntopics: [t]\nconsumer_group: g")
	f.Add("seed_brokers: {}\ntopics: 3\nsasl: [{}]")
	f.Fuzz(func(t *testing.T, text string) {
		var o SourceOptions
		if yaml.UnmarshalWithOptions([]byte(text), &o, yaml.Strict()) == nil && len(o.Brokers) > 0 && o.Validate() != nil {
			t.Errorf("%q gives %+v", text, o)
		}
	})
}
