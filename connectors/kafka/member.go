package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// claimName decides how the group calls this worker.
func (s *Source) claimName() (err error) {
	switch {
	case s.opts.Instance == InstanceNone:
	case s.opts.Instance != "":
		s.name = s.opts.Instance
	case canLock:
		if s.slot, err = claimSlot(s.opts.SlotDir, s.opts.Group); err != nil {
			return fmt.Errorf("kafka: find a lasting name for this worker: %w; name it with instance=NAME, or do without with instance=none", err)
		}
		s.name = s.slot.name
	}
	return nil
}

// Name returns how the group calls this worker, the same after a restart; "" for a
// worker without a lasting name.
func (s *Source) Name() string { return s.name }

// groupOptions are those of a member of the group.
func (s *Source) groupOptions() []kgo.Opt {
	o := s.opts
	start := kgo.NewOffset().AtStart()
	if o.Start == StartLatest {
		start = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(o.Group),
		kgo.ConsumeTopics(o.Topics...),
		kgo.ConsumeStartOffset(start),
		// Offsets that retention has removed: go on with the oldest that is left.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// A partition that joins waits for the fetch under way at its broker.
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // their offsets count for until=end and for the lag
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(o.SessionTimeout),
		kgo.HeartbeatInterval(min(3*time.Second, o.SessionTimeout/3)),
		kgo.RebalanceTimeout(o.RebalanceTimeout),
		kgo.AdjustFetchOffsetsFn(s.adjust),
		kgo.OnPartitionsAssigned(s.onAssigned),
		kgo.OnPartitionsRevoked(s.onRevoked),
		kgo.OnPartitionsLost(s.onLost),
		// Held only from a poll to the end of its tracking, never during work: records
		// must not be tracked in an epoch that they were not fetched in.
		kgo.BlockRebalanceOnPoll(),
	}
	if o.Protocol == ProtocolConsumer {
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	} else {
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	if s.name != "" {
		opts = append(opts, kgo.InstanceID(s.name))
	}
	return opts
}

// leave tells the group that this worker is gone for good, so that its partitions move at
// once. The client does so only for members without a lasting name: those with one are
// waited for.
func (s *Source) leave(ctx context.Context) error {
	member, _ := s.client.GroupMetadata()
	if s.name == "" || member == "" {
		return s.client.LeaveGroupContext(ctx)
	}
	// The client ends its heartbeats. What it says to the group, if anything, is that it
	// will be back; a broker may refuse that, and it does not matter.
	_ = s.client.LeaveGroupContext(ctx)
	if s.opts.Protocol == ProtocolConsumer {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = s.opts.Group, member, leftGroup, &s.name
		resp, err := req.RequestWith(ctx, s.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		return gone(err)
	}
	left, err := s.admin.LeaveGroup(ctx, kadm.LeaveGroup(s.opts.Group).Reason("the worker ends").InstanceIDs(s.name))
	if err == nil {
		err = left.Error()
	}
	return gone(err)
}

// leftGroup is the epoch of a member of a consumer group that leaves for good.
const leftGroup = -1

// gone forgives that a member was not there any more.
func gone(err error) error {
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.GroupIDNotFound) {
		return nil
	}
	return err
}
