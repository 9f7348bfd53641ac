package kafka

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/any-order/a3/connectors"
)

func TestParseSource(t *testing.T) {
	got, err := ParseSource("kafka://a,b:9,[::1]:7/stories-in?group=g&instance=w1&client_id=c&start=latest&until=end" +
		"&commit_interval=250ms&session_timeout=6s&rebalance_timeout=7s&max_unsettled=9&max_unsettled_bytes=10" +
		"&slot_dir=/run/a3&protocol=consumer&format=text&tls=true&tls_ca=ca.pem&tls_cert=c.pem&tls_key=k.pem&sasl=SCRAM-SHA-512&user=u&password_file=/run/p")
	want := SourceOptions{
		Cluster: Cluster{
			Brokers: []string{"a:9092", "b:9", "[::1]:7"}, ClientID: "c",
			TLS:  TLS{Enabled: true, RootCAsFile: "ca.pem", ClientCerts: []ClientCert{{CertFile: "c.pem", KeyFile: "k.pem"}}},
			SASL: []SASL{{Mechanism: SASLScram512, Username: "u", PasswordFile: "/run/p"}},
		},
		Topics: []string{"stories-in"}, Group: "g", Instance: "w1", SlotDir: "/run/a3", Protocol: ProtocolConsumer, Format: FormatText,
		Start: StartLatest, Until: UntilEnd, CommitInterval: 250 * time.Millisecond,
		SessionTimeout: 6 * time.Second, RebalanceTimeout: 7 * time.Second, MaxUnsettled: 9, MaxUnsettledBytes: 10,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	got, err = ParseSource("kafka://a/t,u?group=g")
	want = DefaultSourceOptions()
	want.Brokers, want.Topics, want.Group = []string{"a:9092"}, []string{"t", "u"}, "g"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("defaults: got %+v, %v", got, err)
	}
}

func TestParseSink(t *testing.T) {
	got, err := ParseSink("kafka://kafka:9092/stories-out?client_id=c&max_message_bytes=8388608&delivery_timeout=30s")
	want := SinkOptions{Cluster: Cluster{Brokers: []string{"kafka:9092"}, ClientID: "c"}, Topic: "stories-out", MaxMessageBytes: 8 << 20, DeliveryTimeout: 30 * time.Second}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseErrorsSayWhatToDo(t *testing.T) {
	source := func(a string) error { _, err := ParseSource(a); return err }
	sink := func(a string) error { _, err := ParseSink(a); return err }
	for _, c := range []struct {
		parse         func(string) error
		address, want string
	}{
		{source, "stories.jsonl", "must begin with kafka://"},
		{source, "kafka://a:9092/t", "add ?group=NAME"},
		{source, "kafka://a:9092?group=g", "the topic is missing"},
		{source, "kafka:///t?group=g", "a broker is empty"},
		{source, "kafka://a,,b/t?group=g", "a broker is empty"},
		{source, "kafka://a/t/u?group=g", "a topic has no slash"},
		{source, "kafka://a/t u?group=g", "letters, digits"},
		{source, "kafka://a/..?group=g", "letters, digits"},
		{source, "kafka://a b/t?group=g", "must be host:port"},
		{source, "kafka://me:secret@a/t?group=g", "takes no user and password"},
		{source, "kafka://a/t?grup=g", `unknown parameter "grup": did you mean "group"?`},
		{source, "kafka://a/t?group=g&max_unsetled=1", `did you mean "max_unsettled"?`},
		{source, "kafka://a/t?group=g&colour=red", "use client_id, commit_interval, format, group, "},
		{source, "kafka://a/t?group=g&sasl=PLAIN&user=u&password=secret", "password_file=FILE"},
		{source, "kafka://a/t?group=g&colour=red&token=secret", "token_file=FILE"},
		{source, "kafka://a/t?group=g&sasl=plain&user=u&password_file=f", `did you mean "PLAIN"?`},
		{source, "kafka://a/t?group=g&sasl=PLAIN&user=u", "either a password or a password_file"},
		{source, "kafka://a/t?group=g&sasl=SCRAM-SHA-256&password_file=f", "takes a username"},
		{source, "kafka://a/t?group=g&sasl=OAUTHBEARER&user=u&token_file=f", "takes a token, no username"},
		{source, "kafka://a/t?group=g&sasl=PLAIN&user=u&password_file=f&token_file=f", "no token"},
		{sink, "kafka://a/t?sasl=OAUTHBEARER", "either a token or a token_file"},
		{sink, "kafka://a/t?tls_ca=f", "add enabled: true"},
		{sink, "kafka://a/t?tls=true&tls_cert=f", "its key as either"},
		{source, "kafka://a/t?group=g&instance=a/b", "letters, digits"},
		{source, "kafka://a/t?group=g&protocol=new", "not one of classic, consumer"},
		{source, "kafka://a/t?group=g&format=xml", "not one of arrow, json, text"},
		{source, "kafka://a/t?group=g&group=h", `"group" is given 2 times`},
		{source, "kafka://a/t?group=", `"group": is empty`},
		{source, "kafka://a/t?group=g&start=middle", `"middle" is not one of earliest, latest`},
		{source, "kafka://a/t?group=g&commit_interval=5", `"5" is not a duration such as`},
		{source, "kafka://a/t?group=g&commit_interval=-5s", "must be above 0"},
		{source, "kafka://a/t?group=g&session_timeout=1ms", "between 100ms and 1h"},
		{source, "kafka://a/t?group=g&rebalance_timeout=2h", "between 100ms and 1h"},
		{source, "kafka://a/t?group=g&max_unsettled=many", `"many" is not a whole number`},
		{source, "kafka://a/t?group=g&max_unsettled=0", "between 1 and 1000000"},
		{source, "kafka://a/t?group=g&max_unsettled_bytes=0", "at least 1"},
		{source, "kafka://a/t?group=g&x=%zz", "invalid URL escape"},
		{source, "kafka://a/t?group=g&max_message_bytes=5000", "is for an output, not for an input"},
		{sink, "kafka://a/t?group=g", "is for an input, not for an output"},
		{sink, "kafka://a/t?max_message_bytes=99999999999", "not a whole number in range"},
		{source, "kafka://a/t,,u?group=g", "topic is missing"},
		{source, "kafka://a/t,u,t?group=g", "topic t is named twice"},
		{sink, "kafka://a/t,u", `topic "t,u"`},
		{sink, "kafka://a/t?format=text", `"text" is not one of arrow, json`},
		{sink, "kafka://a/t?max_message_bytes=5", "between 1 KiB and 100 MiB"},
		{sink, "kafka://a/t?delivery_timeout=1ms", "between 1s and 24h"},
	} {
		err := c.parse(c.address)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.address, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func TestFromIsChecked(t *testing.T) {
	o, err := ParseSource("kafka://a/t?group=g")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]connectors.Origin{
		{{Stream: "other", Partition: 0}},
		{{Stream: "t", Partition: connectors.NoPartition}},
		{{Stream: "t", Partition: 0, Next: -1}},
		{{Stream: "t", Partition: 0}, {Stream: "t", Partition: 0}},
	} {
		if o.From = from; o.Validate() == nil {
			t.Errorf("%+v is accepted", from)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"kafka://a,b:9/t?group=g", "kafka://[::1]/t?group=g&until=end", "kafka://a/t?max_message_bytes=2048",
		"kafka://:1/t?group", "kafka://a/t?%67roup=g;", "kafka://[/t?group=g", "kafka://,/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := ParseSource(s); err == nil && (o.Validate() != nil || o.Group == "" || len(o.Topics) == 0 || len(o.Brokers) == 0) {
			t.Errorf("%q gives %+v", s, o)
		}
		if o, err := ParseSink(s); err == nil && (o.Validate() != nil || o.Topic == "" || len(o.Brokers) == 0) {
			t.Errorf("%q gives %+v", s, o)
		}
	})
}
