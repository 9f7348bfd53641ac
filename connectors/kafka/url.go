package kafka

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hbollon/go-edlib"
)

// Prefix begins every address of this connector.
const Prefix = "kafka://"

const defaultPort = "9092"

// ParseSource reads the address of an input:
//
//	kafka://broker[:port][,broker...]/topic[,topic...]?group=NAME[&start=earliest|latest][&until=end|forever]
//	    [&format=json|text|arrow][&protocol=classic|consumer][&instance=NAME|none][&slot_dir=DIR]
//	    [&commit_interval=1s][&session_timeout=45s][&rebalance_timeout=1m]
//	    [&max_unsettled=1000][&max_unsettled_bytes=67108864]
//	    [&client_id=NAME][&tls=true|false][&tls_ca=FILE][&tls_cert=FILE][&tls_key=FILE]
//	    [&sasl=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER][&user=NAME]
//	    [&password_file=FILE][&token_file=FILE]
//
// The port is 9092 where it is left out. Every parameter stands at most once. Secrets
// stand in files: an address is shown in messages.
func ParseSource(address string) (SourceOptions, error) {
	o := DefaultSourceOptions()
	var err error
	var topics string
	if o.Brokers, topics, err = parse(address, sourceParams(&o), "input", sinkParams(new(SinkOptions)), "output"); err != nil {
		return SourceOptions{}, err
	}
	o.Topics = strings.Split(topics, ",")
	if err := o.Validate(); err != nil {
		return SourceOptions{}, err
	}
	return o, nil
}

// ParseSink reads the address of an output:
//
//	kafka://broker[:port][,broker...]/topic[?format=json|arrow][&max_message_bytes=1048588][&delivery_timeout=2m]
//	    [&client_id=NAME] and the parameters of TLS and SASL that an input has
func ParseSink(address string) (SinkOptions, error) {
	o := DefaultSinkOptions()
	var err error
	if o.Brokers, o.Topic, err = parse(address, sinkParams(&o), "output", sourceParams(new(SourceOptions)), "input"); err != nil {
		return SinkOptions{}, err
	}
	if err := o.Validate(); err != nil {
		return SinkOptions{}, err
	}
	return o, nil
}

func sourceParams(o *SourceOptions) map[string]setter {
	return withCluster(&o.Cluster, map[string]setter{
		"group":               text(&o.Group),
		"instance":            text(&o.Instance),
		"slot_dir":            text(&o.SlotDir),
		"protocol":            choice(&o.Protocol, protocols),
		"start":               choice(&o.Start, starts),
		"until":               choice(&o.Until, untils),
		"format":              choice(&o.Format, formats),
		"commit_interval":     duration(&o.CommitInterval),
		"session_timeout":     duration(&o.SessionTimeout),
		"rebalance_timeout":   duration(&o.RebalanceTimeout),
		"max_unsettled":       number(&o.MaxUnsettled),
		"max_unsettled_bytes": number(&o.MaxUnsettledBytes),
	})
}

func sinkParams(o *SinkOptions) map[string]setter {
	return withCluster(&o.Cluster, map[string]setter{
		"format":            choice(&o.Format, outputFormats),
		"max_message_bytes": number(&o.MaxMessageBytes),
		"delivery_timeout":  duration(&o.DeliveryTimeout),
	})
}

// withCluster adds the parameters that say who connects and how.
func withCluster(c *Cluster, params map[string]setter) map[string]setter {
	auth := func(set func(*SASL) setter) setter {
		return func(v string) error {
			if len(c.SASL) == 0 {
				c.SASL = []SASL{{}}
			}
			return set(&c.SASL[0])(v)
		}
	}
	cert := func(set func(*ClientCert) setter) setter {
		return func(v string) error {
			if len(c.TLS.ClientCerts) == 0 {
				c.TLS.ClientCerts = []ClientCert{{}}
			}
			return set(&c.TLS.ClientCerts[0])(v)
		}
	}
	params["client_id"] = text(&c.ClientID)
	params["tls"] = choice(&c.TLS.Enabled, map[string]bool{"true": true, "false": false})
	params["tls_ca"] = text(&c.TLS.RootCAsFile)
	params["tls_cert"] = cert(func(c *ClientCert) setter { return text(&c.CertFile) })
	params["tls_key"] = cert(func(c *ClientCert) setter { return text(&c.KeyFile) })
	params["sasl"] = auth(func(s *SASL) setter { return text(&s.Mechanism) })
	params["user"] = auth(func(s *SASL) setter { return text(&s.Username) })
	params["password_file"] = auth(func(s *SASL) setter { return text(&s.PasswordFile) })
	params["token_file"] = auth(func(s *SASL) setter { return text(&s.TokenFile) })
	return params
}

// parse takes an address apart and applies its parameters. kind says what the address
// is for; the parameters of the other kind are known, to say that they do not fit.
func parse(address string, params map[string]setter, kind string, others map[string]setter, otherKind string) (brokers []string, topic string, err error) {
	fail := func(err error) ([]string, string, error) {
		return nil, "", fmt.Errorf("address %q: %w", address, err)
	}
	rest, ok := strings.CutPrefix(address, Prefix)
	if !ok {
		return fail(errors.New("must begin with " + Prefix))
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, topic, _ := strings.Cut(rest, "/")
	if strings.Contains(hosts, "@") {
		return nil, "", errors.New("a kafka:// address takes no user and password: use ?sasl=MECHANISM&user=NAME&password_file=FILE") // not repeated in the message
	}
	if strings.Contains(topic, "/") {
		return fail(errors.New("a topic has no slash: " + Prefix + "broker:9092/TOPIC, and for an input TOPIC,TOPIC2"))
	}
	if brokers, err = withPorts(strings.Split(hosts, ",")); err != nil {
		return fail(fmt.Errorf("%w: %sbroker:9092,broker2:9092/TOPIC", err, Prefix))
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fail(err)
	}
	for _, name := range []string{"password", "token"} {
		if values.Has(name) { // not repeated in the message
			return nil, "", fmt.Errorf("a kafka:// address is shown in messages and lists of processes, so it takes no %s: use %[1]s_file=FILE", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		set, known := params[name]
		if !known {
			if _, other := others[name]; other {
				return fail(fmt.Errorf("parameter %q is for an %s, not for an %s", name, otherKind, kind))
			}
			return fail(fmt.Errorf("unknown parameter %q: %s", name, suggest(name, slices.Sorted(maps.Keys(params)))))
		}
		if len(values[name]) != 1 {
			return fail(fmt.Errorf("parameter %q is given %d times", name, len(values[name])))
		}
		if err := set(values[name][0]); err != nil {
			return fail(fmt.Errorf("parameter %q: %w", name, err))
		}
	}
	return brokers, topic, nil
}

// The words for the choices that there are, in addresses and in YAML.
var (
	starts    = map[string]Start{"earliest": StartEarliest, "latest": StartLatest}
	untils    = map[string]Until{"end": UntilEnd, "forever": UntilForever}
	protocols = map[string]Protocol{"classic": ProtocolClassic, "consumer": ProtocolConsumer}
	formats   = map[string]Format{"json": FormatJSON, "text": FormatText, "arrow": FormatArrow}

	outputFormats = map[string]Format{"json": FormatJSON, "arrow": FormatArrow}
)

func known[T comparable](words map[string]T, value T) bool {
	return slices.Contains(slices.Collect(maps.Values(words)), value)
}

// setter stores one parameter.
type setter func(value string) error

func text(to *string) setter {
	return func(v string) error {
		if v == "" {
			return errors.New("is empty")
		}
		*to = v
		return nil
	}
}

func choice[T any](to *T, of map[string]T) setter {
	return func(v string) error {
		c, ok := of[v]
		if !ok {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(slices.Sorted(maps.Keys(of)), ", "))
		}
		*to = c
		return nil
	}
}

func duration(to *time.Duration) setter {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 500ms or 1m", v)
		}
		*to = d
		return nil
	}
}

func number[T int | int32 | int64](to *T) setter {
	return func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || int64(T(n)) != n {
			return fmt.Errorf("%q is not a whole number in range", v)
		}
		*to = T(n)
		return nil
	}
}

// suggest names the known word nearest to a mistyped one, or all of them.
func suggest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := edlib.OSADamerauLevenshteinDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "use " + strings.Join(known, ", ")
}
