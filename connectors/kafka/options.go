package kafka

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/any-order/a3/connectors"
)

// Start is where a group begins in a partition for which it has no commit.
type Start int

const (
	StartEarliest Start = iota // all there is
	StartLatest                // only what comes from now on
)

// Until is when a source ends.
type Until int

const (
	// UntilForever: the source waits for more.
	UntilForever Until = iota
	// UntilEnd: io.EOF once the group has everything that was in the topic when the
	// source was opened.
	UntilEnd
)

// Protocol is how a group divides the partitions.
type Protocol int

const (
	// ProtocolClassic: the members divide them, cooperatively and sticky: a rebalance
	// takes away only what moves.
	ProtocolClassic Protocol = iota
	// ProtocolConsumer: the broker divides them (KIP-848), Kafka 4.0 and later. The
	// session timeout is the broker's, group.consumer.session.timeout.ms.
	ProtocolConsumer
)

// Format says what the values of a topic are.
type Format int

const (
	FormatJSON  Format = iota // one JSON object
	FormatText                // the text of one document; of inputs only
	FormatArrow               // an Arrow IPC stream, whose rows are documents
)

// SourceOptions say what to consume and how.
type SourceOptions struct {
	Cluster
	Topics []string
	Group  string // the workers of one group share the partitions of the topics
	// Instance is the unique and lasting name of this worker (static membership): a
	// worker that is back within SessionTimeout gets its partitions back at once, without
	// a rebalance. "" is the host's name and a slot that no other worker of this machine
	// has; InstanceNone is a name that the broker makes up, anew at each start.
	Instance string
	SlotDir  string // where the slots of this machine are locked; "" is a folder of its own among the temporary files
	Protocol Protocol
	Start    Start
	Until    Until
	Format   Format

	// From overrides the group's commits, once for each partition, when this worker
	// is first given it: reading begins at Next, and at the start of the partitions
	// not named. For a trainer, whose checkpoint is what counts. nil for no override.
	From []connectors.Origin

	// OnRebalance, if not nil, is told that partitions came to this worker or left it;
	// Source.Partitions says which it has. It is called in the middle of a rebalance: it
	// must not block.
	OnRebalance func()

	CommitInterval time.Duration // between commits of what is settled
	SessionTimeout time.Duration // a worker silent for so long is dead
	// RebalanceTimeout is how long a rebalance waits for a worker to hand over; half
	// of it bounds the last commit.
	RebalanceTimeout time.Duration

	// A partition is paused while it has so much, delivered, from the first unsettled
	// record on. This is also what comes again after a crash.
	MaxUnsettled      int
	MaxUnsettledBytes int64
}

// InstanceNone asks for no lasting name: dynamic membership.
const InstanceNone = "none"

// DefaultSourceOptions returns the defaults; Brokers, Topic and Group are left to
// fill.
func DefaultSourceOptions() SourceOptions {
	return SourceOptions{
		Cluster:           Cluster{ClientID: "a3"},
		CommitInterval:    time.Second,
		SessionTimeout:    45 * time.Second,
		RebalanceTimeout:  60 * time.Second,
		MaxUnsettled:      1000,
		MaxUnsettledBytes: 64 << 20,
	}
}

// Validate checks the options alone, without connecting.
func (o SourceOptions) Validate() error {
	if err := o.Cluster.validate(); err != nil {
		return err
	}
	if err := checkTopics(o.Topics); err != nil {
		return err
	}
	switch {
	case o.Group == "":
		return errors.New("kafka: the consumer group is missing: add ?group=NAME (workers of one group share the partitions)")
	case len(o.Instance) > 249 || notInNames.MatchString(o.Instance):
		return fmt.Errorf("kafka: instance %q: letters, digits, '.', '_' and '-' only, at most 249", o.Instance)
	case !known(starts, o.Start), !known(untils, o.Until), !known(protocols, o.Protocol), !known(formats, o.Format):
		return fmt.Errorf("kafka: start %d, until %d, protocol %d or format %d is none of those that there are", o.Start, o.Until, o.Protocol, o.Format)
	case o.CommitInterval <= 0 || o.CommitInterval > time.Hour:
		return fmt.Errorf("kafka: commit interval %v: must be above 0 and at most 1h", o.CommitInterval)
	case o.SessionTimeout < 100*time.Millisecond || o.SessionTimeout > time.Hour:
		return fmt.Errorf("kafka: session timeout %v: must be between 100ms and 1h", o.SessionTimeout)
	case o.RebalanceTimeout < 100*time.Millisecond || o.RebalanceTimeout > time.Hour:
		return fmt.Errorf("kafka: rebalance timeout %v: must be between 100ms and 1h", o.RebalanceTimeout)
	case o.MaxUnsettled < 1 || o.MaxUnsettled > 1_000_000:
		return fmt.Errorf("kafka: %d unsettled records: must be between 1 and 1000000", o.MaxUnsettled)
	case o.MaxUnsettledBytes < 1:
		return fmt.Errorf("kafka: %d unsettled bytes: must be at least 1", o.MaxUnsettledBytes)
	}
	seen := map[place]bool{}
	for _, from := range o.From {
		if at := placeOf(from); !slices.Contains(o.Topics, at.topic) || at.partition < 0 || from.Next < 0 || seen[at] {
			return fmt.Errorf("kafka: start position %+v: must be one per partition of %s", from, o.Named())
		}
		seen[placeOf(from)] = true
	}
	return nil
}

// SinkOptions say where to produce.
type SinkOptions struct {
	Cluster
	Topic string
	// Format is what the caller makes the values; the sink writes them as they are.
	Format Format
	// MaxMessageBytes limits a batch, and so a record. 0 takes the topic's own
	// max.message.bytes; more than that is refused.
	MaxMessageBytes int32
	// DeliveryTimeout bounds how long a record waits to be sent. One whose answer got
	// lost is waited for as long as Write's context lasts: to give up on it could
	// make a duplicate.
	DeliveryTimeout time.Duration
	// Model and Config are digests of what makes the records: the model, and all else
	// that they depend on. They stand in headers; "" for none.
	Model, Config string
}

// DefaultSinkOptions returns the defaults; Brokers and Topic are left to fill.
func DefaultSinkOptions() SinkOptions {
	return SinkOptions{Cluster: Cluster{ClientID: "a3"}, DeliveryTimeout: 2 * time.Minute}
}

// maxBatchBytes is what the client can send in one request.
const maxBatchBytes = 100 << 20

// Validate checks the options alone, without connecting.
func (o SinkOptions) Validate() error {
	if err := o.Cluster.validate(); err != nil {
		return err
	}
	if err := checkTopic(o.Topic); err != nil {
		return err
	}
	switch {
	case !known(outputFormats, o.Format):
		return fmt.Errorf("kafka: output format %d is none of those that there are: json and arrow", o.Format)
	case o.MaxMessageBytes != 0 && (o.MaxMessageBytes < 1<<10 || o.MaxMessageBytes > maxBatchBytes):
		return fmt.Errorf("kafka: largest message of %d bytes: must be between 1 KiB and 100 MiB", o.MaxMessageBytes)
	case o.DeliveryTimeout < time.Second || o.DeliveryTimeout > 24*time.Hour:
		return fmt.Errorf("kafka: delivery timeout %v: must be between 1s and 24h", o.DeliveryTimeout)
	}
	return nil
}

// Named names the topics for a person: "topic a", or "topics a, b".
func (o SourceOptions) Named() string { return named(o.Topics) }

func named(topics []string) string {
	if len(topics) == 1 {
		return "topic " + topics[0]
	}
	return "topics " + strings.Join(topics, ", ")
}

// maxTopics bounds what a job reads; each topic is asked for by itself in places.
const maxTopics = 1000

func checkTopics(topics []string) error {
	if len(topics) == 0 {
		return checkTopic("")
	}
	if len(topics) > maxTopics {
		return fmt.Errorf("kafka: %d topics; at most %d are read by one job", len(topics), maxTopics)
	}
	seen := map[string]bool{}
	for _, topic := range topics {
		if err := checkTopic(topic); err != nil {
			return err
		}
		if seen[topic] {
			return fmt.Errorf("kafka: topic %s is named twice", topic)
		}
		seen[topic] = true
	}
	return nil
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func checkTopic(topic string) error {
	if topic == "" {
		return errors.New("kafka: the topic is missing: kafka://broker:9092/TOPIC")
	}
	if !topicName.MatchString(topic) || topic == "." || topic == ".." {
		return fmt.Errorf("kafka: topic %q: letters, digits, '.', '_' and '-' only, at most 249", topic)
	}
	return nil
}
