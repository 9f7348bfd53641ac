package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/any-order/a3/connectors"
)

// The steps of one transaction: produce, add the offsets, end it, and find out how it
// ended.

// produce sends the records. Those that are at fault come back as an ItemError.
func (t *Transactor) produce(ctx context.Context, records []*kgo.Record, indexes []int) error {
	var mu sync.Mutex
	rejected := map[int]error{} // mu
	var failed error            // mu
	left := len(records)        // mu
	all := make(chan struct{})
	for i, r := range records {
		t.client.Produce(ctx, r, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
			case atFault(err):
				rejected[indexes[i]] = fmt.Errorf("kafka: %w: a record of %d bytes for topic %s: %w", connectors.ErrRejected, len(r.Value), r.Topic, err)
			case failed == nil:
				failed = fmt.Errorf("kafka: write to %s: %w", r.Topic, err)
			}
			if left--; left == 0 {
				close(all)
			}
		})
	}
	select {
	case <-all:
	case <-ctx.Done():
		return ctx.Err() // a record whose answer got lost would be waited for longer
	}
	mu.Lock()
	defer mu.Unlock()
	if len(rejected) > 0 {
		return &connectors.ItemError{Failed: rejected}
	}
	return failed
}

// addOffsets makes the offsets part of the transaction.
func (t *Transactor) addOffsets(ctx context.Context, member string, generation int32, next map[place]int64) error {
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	group := t.src.opts.Group
	if !t.implicit {
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.id, id, epoch, group
		if err := whileConcurrent(ctx, func() error {
			resp, err := add.RequestWith(ctx, t.client)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		}); err != nil {
			return fmt.Errorf("kafka: add the offsets of group %s to the transaction: %w", group, err)
		}
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = t.id, id, epoch, group
	req.MemberID, req.Generation = member, generation
	if t.src.name != "" {
		req.InstanceID = &t.src.name
	}
	for at, offset := range next {
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = at.partition, offset, -1
		i := slices.IndexFunc(req.Topics, func(t kmsg.TxnOffsetCommitRequestTopic) bool { return t.Topic == at.topic })
		if i < 0 {
			topic := kmsg.NewTxnOffsetCommitRequestTopic()
			topic.Topic, topic.TopicID = at.topic, t.topicIDs[at.topic]
			i, req.Topics = len(req.Topics), append(req.Topics, topic)
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	if err := whileConcurrent(ctx, func() error {
		resp, err := req.RequestWith(ctx, t.client)
		if err != nil {
			return err
		}
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("kafka: commit of group %s in the transaction: %w", group, err)
	}
	return nil
}

// whileConcurrent repeats a request while the broker still ends the transaction before.
func whileConcurrent(ctx context.Context, request func() error) error {
	for {
		err := request()
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		pause(ctx, retryAfter)
	}
}

// retryAfter is how long what the broker has under way is left alone.
const retryAfter = 20 * time.Millisecond

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// abort ends the transaction without effect.
func (t *Transactor) abort(ctx context.Context) error {
	err := t.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = t.client.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		return fmt.Errorf("abort transaction %s: %w", t.id, err)
	}
	return nil
}

// settle makes sure that a transaction is over whose commit failed: the client begins
// anew, which the broker grants when the transaction before has been committed or aborted.
func (t *Transactor) settle(ctx context.Context) error {
	if err := t.abort(ctx); err != nil {
		return err
	}
	if err := t.client.BeginTransaction(); err != nil {
		return err
	}
	if _, _, err := t.client.ProducerID(ctx); err != nil {
		return err
	}
	return t.client.EndTransaction(ctx, kgo.TryAbort) // an empty one: nothing is sent
}

// happened asks the group whether a transaction has moved its offsets. Nobody else moves
// them as long as the partitions are ours.
func (t *Transactor) happened(ctx context.Context, next map[place]int64) (bool, error) {
	var commits kadm.OffsetResponses
	for {
		var err error
		commits, err = t.src.admin.FetchOffsetsForTopics(kadm.RequireStable(ctx), t.src.opts.Group, t.src.opts.Topics...)
		if err == nil {
			break
		}
		if !kerr.IsRetriable(err) || ctx.Err() != nil { // unstable offsets are
			return false, fmt.Errorf("look up the commits of group %s: %w", t.src.opts.Group, err)
		}
		pause(ctx, retryAfter)
	}
	for at, offset := range next {
		o, ok := commits.Lookup(at.topic, at.partition)
		if !ok || o.Err != nil {
			return false, fmt.Errorf("look up the commit of group %s for %s/%d: %w", t.src.opts.Group, at.topic, at.partition, o.Err)
		}
		if o.At < offset {
			return false, nil
		}
	}
	return true, nil
}

// passing turns what ends by itself into errAgain: a rebalance, an election, a broker that
// is away. A worker that was fenced, or may not do this, is told.
func passing(ctx context.Context, err error) error {
	var broker *kerr.Error
	var item *connectors.ItemError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &item):
		return err
	case errors.Is(err, context.DeadlineExceeded): // of the transaction alone
		return errAgain
	case !errors.As(err, &broker):
		return err
	}
	for _, again := range []*kerr.Error{
		kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch, kerr.GroupIDNotFound,
		kerr.TransactionAbortable, kerr.OperationNotAttempted, kerr.UnknownServerError, kerr.UnknownProducerID,
	} {
		if errors.Is(err, again) {
			return errAgain
		}
	}
	if broker.Retriable {
		return errAgain
	}
	return err
}
