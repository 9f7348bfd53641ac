package kafka

import (
	"errors"
	"fmt"
	"maps"
	"net"
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
//	kafka://broker[:port][,broker...]/topic?group=NAME[&start=earliest|latest][&until=end|forever]
//	    [&instance=NAME][&client_id=NAME][&commit_interval=1s][&session_timeout=45s]
//	    [&rebalance_timeout=1m][&max_unsettled=1000][&max_unsettled_bytes=67108864]
//
// The port is 9092 where it is left out. Every parameter stands at most once.
func ParseSource(address string) (SourceOptions, error) {
	o := DefaultSourceOptions()
	var err error
	if o.Brokers, o.Topic, err = parse(address, sourceParams(&o), "input", sinkParams(new(SinkOptions)), "output"); err != nil {
		return SourceOptions{}, err
	}
	if err := o.Validate(); err != nil {
		return SourceOptions{}, err
	}
	return o, nil
}

// ParseSink reads the address of an output:
//
//	kafka://broker[:port][,broker...]/topic[?client_id=NAME][&max_message_bytes=1048588][&delivery_timeout=2m]
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
	return map[string]setter{
		"group":               text(&o.Group),
		"instance":            text(&o.Instance),
		"client_id":           text(&o.ClientID),
		"start":               choice(&o.Start, map[string]Start{"earliest": StartEarliest, "latest": StartLatest}),
		"until":               choice(&o.Until, map[string]Until{"end": UntilEnd, "forever": UntilForever}),
		"commit_interval":     duration(&o.CommitInterval),
		"session_timeout":     duration(&o.SessionTimeout),
		"rebalance_timeout":   duration(&o.RebalanceTimeout),
		"max_unsettled":       number(&o.MaxUnsettled),
		"max_unsettled_bytes": number(&o.MaxUnsettledBytes),
	}
}

func sinkParams(o *SinkOptions) map[string]setter {
	return map[string]setter{
		"client_id":         text(&o.ClientID),
		"max_message_bytes": number(&o.MaxMessageBytes),
		"delivery_timeout":  duration(&o.DeliveryTimeout),
	}
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
		return nil, "", errors.New("a kafka:// address takes no user and password: give them to the client's options") // not repeated in the message
	}
	if strings.Contains(topic, "/") {
		return fail(errors.New("one topic only: " + Prefix + "broker:9092/TOPIC"))
	}
	for _, host := range strings.Split(hosts, ",") {
		host = strings.TrimSpace(host)
		if host == "" {
			return fail(errors.New("a broker is empty: " + Prefix + "broker:9092,broker2:9092/TOPIC"))
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), defaultPort)
		}
		brokers = append(brokers, host)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fail(err)
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
