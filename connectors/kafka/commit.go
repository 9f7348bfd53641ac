package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Commits of partitions that are ours are made under commitMu, from the look at the
// watermarks to the broker's answer; a revoke takes commitMu too. So no commit is
// under way when the broker gives a partition to somebody else, and none is made
// behind the last one of the revoke.

// turn is a mutex that is held across requests to brokers, minutes if they are away. It is
// a channel for tests: virtual time does not pass while someone waits for a sync.Mutex.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// commitLoop commits at intervals until ctx ends.
func (s *Source) commitLoop(ctx context.Context) {
	tick := time.NewTicker(s.opts.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.failIfLasting(s.commitAll(ctx))
	}
}

// commitAll commits what is newly settled.
func (s *Source) commitAll(ctx context.Context) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	next := map[*partition]int64{}
	for _, p := range s.assigned() {
		if o, ok := p.acks.Acknowledged(); ok {
			next[p] = o.Next
		} else {
			next[p] = p.floor
		}
	}
	return s.commit(ctx, s.client, next)
}

// release ends the epochs of partitions and makes their last commit.
func (s *Source) release(ctx context.Context, client *kgo.Client, parts []*partition) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	next := map[*partition]int64{}
	for _, p := range parts {
		if o, ok := s.drop(client, p); ok {
			next[p] = o.Next
		} else {
			next[p] = p.floor
		}
	}
	return s.commit(ctx, client, next)
}

// commit tells the broker the next offsets that it does not know yet. The caller
// holds commitMu.
func (s *Source) commit(ctx context.Context, client *kgo.Client, next map[*partition]int64) error {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for p, n := range next {
		if n >= 0 && n != p.committed {
			if offsets[p.at.topic] == nil {
				offsets[p.at.topic] = map[int32]kgo.EpochOffset{}
			}
			offsets[p.at.topic][p.at.partition] = kgo.EpochOffset{Epoch: -1, Offset: n}
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.RebalanceTimeout/2)
	defer cancel()
	refused := map[place]error{}
	var failed error
	client.CommitOffsetsSync(ctx, offsets,
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if failed = err; err != nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						refused[place{t.Topic, p.Partition}] = err
					}
				}
			}
		})
	if failed != nil {
		return failed
	}
	for p, n := range next {
		if err := refused[p.at]; err != nil {
			failed = err
		} else if _, sent := offsets[p.at.topic][p.at.partition]; sent {
			p.committed = n
		}
	}
	return failed
}

// lasting reports whether an error of the group stays: no permission, a second worker
// with the same instance name. The others pass with the next session, which the
// client is already at.
func lasting(err error) bool {
	var broker *kerr.Error
	if !errors.As(err, &broker) || broker.Retriable {
		return false
	}
	switch {
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration),
		errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.StaleMemberEpoch),
		errors.Is(err, kerr.FencedMemberEpoch):
		return false
	}
	return true
}
