package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/any-order/a3/connectors"
)

// Transactor writes results and dead letters and commits the offsets of their inputs in
// transactions of Kafka, short ones: the work has been done before they begin.
//
// Only the group's own fencing makes a transaction safe (KIP-447): the offsets are sent
// with the member and the generation that this worker has, and the broker refuses them
// when the partitions may have another owner. A revoke waits for the transaction under
// way, which lasts milliseconds.
type Transactor struct {
	src       *Source
	out, dead SinkOptions
	id        string              // transactional; the worker's name makes it lasting
	implicit  bool                // the broker adds the offsets to the transaction by itself (KIP-890)
	topicIDs  map[string][16]byte // of the input
	client    *kgo.Client
	closed    atomic.Bool
}

var _ connectors.Transactor = (*Transactor)(nil)

// transactionTimeout is when the broker gives up a transaction whose worker is gone; until
// then, the next owner of its partitions and readers of its topics wait. A worker that
// comes back under its name ends it at once.
const transactionTimeout = 30 * time.Second

// OpenTransactor connects, checks the topics, and ends what a worker of this name left
// open. Source, results and dead letters must be in one cluster.
func OpenTransactor(ctx context.Context, src *Source, out, dead SinkOptions) (*Transactor, error) {
	t := &Transactor{src: src, out: out, dead: dead}
	name := src.name
	if name == "" {
		name = rand.Text()
	}
	t.id = "a3." + src.opts.Group + "." + strings.Join(src.opts.Topics, ",") + "." + name
	limits := map[string]int32{}
	for _, o := range []SinkOptions{out, dead} {
		if err := o.Validate(); err != nil {
			return nil, err
		}
		limit, cluster, err := o.look(ctx)
		if err != nil {
			return nil, err
		}
		if cluster != src.cluster {
			return nil, fmt.Errorf("kafka: topic %s is in the cluster %s, the input in %s: exactly once needs both in one", o.Topic, cluster, src.cluster)
		}
		limits[o.Topic] = limit
	}
	base, err := out.Cluster.options()
	if err != nil {
		return nil, err
	}
	if err := t.features(ctx, base); err != nil {
		return nil, err
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 5)
	if !t.implicit { // as a client of its time speaks
		versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
		versions.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
		versions.SetMaxKeyVersion(int16(kmsg.Produce), 11)
	}
	t.client, err = kgo.NewClient(append(base,
		kgo.TransactionalID(t.id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.MaxVersions(versions),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
			if n := limits[topic]; n > 0 {
				return n
			}
			return defaultBatchBytes
		}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if _, _, err = t.client.ProducerID(ctx); err != nil {
		t.client.Close()
		return nil, fmt.Errorf("kafka: begin as %s: %w", t.id, err)
	}
	return t, nil
}

// defaultBatchBytes holds for a topic whose limit we may not know; it is below the
// brokers' default.
const defaultBatchBytes = 1_000_012

// features asks which protocol of transactions the cluster speaks, and for the ids of the
// input's topics.
func (t *Transactor) features(ctx context.Context, base []kgo.Opt) error {
	return probe(ctx, t.out.Brokers, t.src.opts.Topics, base, func(ctx context.Context, admin *kadm.Client) error {
		topics, err := admin.ListTopics(ctx, t.src.opts.Topics...)
		if err != nil {
			return err
		}
		t.topicIDs = map[string][16]byte{}
		for _, topic := range topics {
			t.topicIDs[topic.Topic] = topic.ID
		}
		versions, err := admin.ApiVersions(ctx)
		if err != nil {
			return err
		}
		for _, broker := range versions {
			if broker.Err == nil && broker.Raw() != nil {
				for _, f := range broker.Raw().FinalizedFeatures {
					t.implicit = t.implicit || f.Name == "transaction.version" && f.MaxVersionLevel >= 2
				}
			}
		}
		return nil
	})
}

// Transact implements connectors.Transactor.
func (t *Transactor) Transact(ctx context.Context, outcomes []connectors.Outcome) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if t.closed.Load() {
			return connectors.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := t.once(ctx, outcomes)
		if !errors.Is(err, errAgain) {
			return err
		}
		pause(ctx, wait) // a rebalance, or an election, goes on; partitions may be taken meanwhile
	}
}

// errAgain is returned when nothing has happened, and may happen the next time.
var errAgain = errors.New("the transaction was aborted")

// once tries one transaction. commitMu is held from the look at what is still ours to the
// broker's answer, as for any commit.
func (t *Transactor) once(ctx context.Context, outcomes []connectors.Outcome) error {
	s := t.src
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	var records []*kgo.Record
	var indexes []int // of outcomes, beside records
	var live []*connectors.Delivery
	next := map[place]int64{}
	for i, o := range outcomes {
		if o.Delivery.Taken() {
			continue
		}
		live = append(live, o.Delivery)
		next[placeOf(o.Delivery.Origin)] = o.Delivery.Origin.Next
		if o.Output != nil {
			records, indexes = append(records, t.record(&t.out, o.Output)), append(indexes, i)
		}
		if o.Letter != nil {
			records, indexes = append(records, t.record(&t.dead, o.Letter)), append(indexes, i)
		}
	}
	if len(records) > 0 {
		if err := t.commit(ctx, records, indexes, next); err != nil {
			return err
		}
		for _, p := range s.assigned() {
			if n, ok := next[p.at]; ok {
				p.committed = n
			}
		}
	} // else there is nothing to be at one with: the next commit of the source will do
	for _, d := range live {
		d.Settle(nil)
	}
	return nil
}

func (t *Transactor) record(o *SinkOptions, rec *connectors.Record) *kgo.Record {
	r := o.toKafka(*rec)
	r.Topic = o.Topic
	return r
}

// commit makes one transaction of records and offsets.
func (t *Transactor) commit(ctx context.Context, records []*kgo.Record, indexes []int, next map[place]int64) error {
	member, generation := t.src.client.GroupMetadata()
	if member == "" || generation < 0 {
		return errAgain // between two sessions; without a member, the broker would not fence
	}
	if err := t.client.BeginTransaction(); err != nil {
		return fmt.Errorf("kafka: transaction %s: %w", t.id, err)
	}
	// From here on the transaction is ended in any case. A context that was cancelled in
	// the middle would leave it open, and the client not knowing.
	working, cancel := context.WithTimeout(ctx, transactionTimeout/2)
	defer cancel()
	err := t.produce(working, records, indexes)
	if err == nil {
		err = t.addOffsets(working, member, generation, next)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	if err != nil {
		if ended := t.abort(ending); ended != nil {
			return errors.Join(err, ended)
		}
		return passing(ctx, err)
	}
	if err = t.client.EndTransaction(ending, kgo.TryCommit); err == nil {
		return nil
	}
	// Refused, or no answer. Once it is settled which, the offsets tell.
	if unsettled := t.settle(ending); unsettled != nil {
		return fmt.Errorf("kafka: commit transaction %s: %w", t.id, errors.Join(err, unsettled))
	}
	if done, asked := t.happened(ending, next); asked != nil {
		return fmt.Errorf("kafka: commit transaction %s: %w", t.id, errors.Join(err, asked))
	} else if done {
		return nil
	}
	return errAgain
}

// Close implements connectors.Transactor. Transact has ended its transactions already.
func (t *Transactor) Close(context.Context) error {
	if !t.closed.Swap(true) {
		t.client.Close()
	}
	return nil
}
