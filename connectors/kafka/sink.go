package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
)

// Sink produces to a topic: idempotent, acknowledged by all replicas in sync. Key,
// value (nil is a tombstone), headers and time of a record are carried through;
// records with the same key go to the same partition, as with the Java client.
type Sink struct {
	opts   SinkOptions
	client *kgo.Client
	closed atomic.Bool
}

var _ connectors.Sink = (*Sink)(nil)

// OpenSink connects and checks the topic.
func OpenSink(ctx context.Context, o SinkOptions) (*Sink, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	batchBytes, _, err := o.look(ctx)
	if err != nil {
		return nil, err
	}
	base, err := o.Cluster.options()
	if err != nil {
		return nil, err
	}
	opts := append(base,
		kgo.DefaultProduceTopic(o.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), // Write hands over whole batches
	)
	if batchBytes > 0 {
		// Also keeps a record that is too large out of the batches of others, where the
		// broker would refuse all of them.
		opts = append(opts, kgo.ProducerBatchMaxBytes(batchBytes))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Sink{opts: o, client: client}, nil
}

// look connects, checks the topic, and returns how large a batch for it may be, 0 when we
// may not know, and the id of the cluster.
func (o *SinkOptions) look(ctx context.Context) (batchBytes int32, cluster string, err error) {
	base, err := o.Cluster.options()
	if err != nil {
		return 0, "", err
	}
	batchBytes = o.MaxMessageBytes
	err = probe(ctx, o.Brokers, []string{o.Topic}, base, func(ctx context.Context, admin *kadm.Client) error {
		limit := topicLimit(ctx, admin, o.Topic)
		if limit > 0 && int64(batchBytes) > limit {
			return fmt.Errorf("largest message of %d bytes is over the topic's max.message.bytes %d: lower the one or raise the other", batchBytes, limit)
		}
		if batchBytes == 0 && limit > 0 {
			batchBytes = int32(min(limit, maxBatchBytes))
		}
		cluster, err = clusterID(ctx, admin)
		return err
	})
	return batchBytes, cluster, err
}

// topicLimit returns the topic's max.message.bytes, 0 when we may not know it.
func topicLimit(ctx context.Context, admin *kadm.Client, topic string) int64 {
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return 0
	}
	config, err := configs.On(topic, nil)
	if err != nil || config.Err != nil {
		return 0
	}
	for _, c := range config.Configs {
		if c.Key == "max.message.bytes" {
			n, err := strconv.ParseInt(c.MaybeValue(), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// Write implements connectors.Sink. When ctx ends it returns at once; what was sent
// by then may be in the topic.
func (s *Sink) Write(ctx context.Context, records []connectors.Record) error {
	if s.closed.Load() {
		return connectors.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Not the client's own delivery timeout: that one counts from the record's time,
	// which is the input's.
	waiting, cancel := context.WithTimeoutCause(ctx, s.opts.DeliveryTimeout, errDeliveryTimeout)
	defer cancel()
	var mu sync.Mutex
	failed := map[int]error{} // mu
	var pending sync.WaitGroup
	pending.Add(len(records))
	for i, rec := range records {
		s.client.Produce(waiting, s.opts.toKafka(rec), func(_ *kgo.Record, err error) {
			defer pending.Done()
			if err == nil {
				return
			}
			if errors.Is(err, context.DeadlineExceeded) {
				err = context.Cause(waiting)
			}
			mu.Lock()
			defer mu.Unlock()
			failed[i] = produceError(rec, err)
		})
	}
	all := make(chan struct{})
	go func() { // ends with the last promise, which the client makes at the latest when closed
		pending.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(failed) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return connectors.ErrClosed
	}
	return &connectors.ItemError{Failed: failed}
}

var errDeliveryTimeout = errors.New("not delivered within the delivery timeout")

// produceError names the record, and tells the fault of a record from that of the
// cluster.
func produceError(rec connectors.Record, err error) error {
	if atFault(err) {
		return fmt.Errorf("kafka: %w: output of %v has %d bytes: %w", connectors.ErrRejected, rec.Origin, len(rec.Value), err)
	}
	return fmt.Errorf("kafka: output of %v: %w", rec.Origin, err)
}

// atFault reports whether it is the record that a broker refuses, for ever.
func atFault(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

// Close implements connectors.Sink. Write has waited for its records already.
func (s *Sink) Close(context.Context) error {
	if !s.closed.Swap(true) {
		s.client.Close()
	}
	return nil
}
