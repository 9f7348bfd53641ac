package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// bounds are the offsets of each partition when the source was opened: the first that
// is still there, and the one behind the last.
type bounds struct {
	start, end map[place]int64
}

// lookUp asks the brokers for the bounds of topics.
func lookUp(ctx context.Context, admin *kadm.Client, topics []string) (bounds, error) {
	b := bounds{start: map[place]int64{}, end: map[place]int64{}}
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return b, fmt.Errorf("list the first offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return b, fmt.Errorf("list the last offsets: %w", err)
	}
	starts.Each(func(o kadm.ListedOffset) { b.start[place{o.Topic, o.Partition}] = o.Offset })
	ends.Each(func(o kadm.ListedOffset) { b.end[place{o.Topic, o.Partition}] = o.Offset })
	return b, nil
}

// reached reports whether nothing is left of a partition at the given position.
// Offsets below the start are gone, so an emptied partition has nothing left.
func (b bounds) reached(at place, position int64) bool {
	return position >= b.end[at] || b.start[at] >= b.end[at]
}

// finished reports whether a source that reads until the end has it: its own
// partitions are read, and the group has committed the others. So a worker outlives
// those that it may have to take over from.
func (s *Source) finished(ctx context.Context) (bool, error) {
	s.mu.Lock()
	joined, mine, others := s.joined, true, []place(nil)
	for at := range s.bounds.end {
		p := s.parts[at]
		switch {
		case p == nil && !s.bounds.reached(at, -1):
			others = append(others, at)
		case p != nil && !s.bounds.reached(at, p.position):
			mine = false
		}
	}
	s.mu.Unlock()
	if !joined || !mine {
		return false, nil
	}
	if len(others) == 0 {
		return true, nil
	}
	commits, err := s.admin.FetchOffsetsForTopics(ctx, s.opts.Group, s.opts.Topics...)
	if err != nil {
		return false, fmt.Errorf("kafka: look up the commits of group %s: %w", s.opts.Group, err)
	}
	for _, at := range others {
		o, ok := commits.Lookup(at.topic, at.partition)
		if !ok || o.Err != nil || !s.bounds.reached(at, o.At) {
			return false, nil
		}
	}
	return true, nil
}

// adjust notes where reading of newly assigned partitions begins, and applies the
// positions that the caller prescribed. The client calls it between the assignment
// and the first fetch.
func (s *Source) adjust(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, partitions := range offsets {
		for id, offset := range partitions {
			if at := (place{topic, id}); s.parts[at] != nil {
				partitions[id] = s.begin(s.parts[at], offset)
			}
		}
	}
	s.joined = true
	s.wakePoll()
	return offsets, nil
}

// begin returns where reading of a partition begins, and notes it: at its commit, which the
// client found, or where the caller wants it. The caller holds commitMu and mu.
func (s *Source) begin(p *partition, offset kgo.Offset) kgo.Offset {
	if s.from != nil && !s.placed[p.at] {
		s.placed[p.at] = true
		offset = kgo.NewOffset().AtStart()
		if next, ok := s.from[p.at]; ok {
			offset = kgo.NewOffset().At(next)
			p.floor = next
		}
	}
	switch at := offset.EpochOffset().Offset; at {
	case -1: // the end
		p.position = s.bounds.end[p.at]
	case -2: // the start
		p.position = s.bounds.start[p.at]
	default:
		p.position = at
	}
	return offset
}
