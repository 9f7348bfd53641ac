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
	start, end map[int32]int64
}

// lookUp asks the brokers for the bounds of a topic.
func lookUp(ctx context.Context, admin *kadm.Client, topic string) (bounds, error) {
	b := bounds{start: map[int32]int64{}, end: map[int32]int64{}}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return b, fmt.Errorf("list the first offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return b, fmt.Errorf("list the last offsets: %w", err)
	}
	starts.Each(func(o kadm.ListedOffset) { b.start[o.Partition] = o.Offset })
	ends.Each(func(o kadm.ListedOffset) { b.end[o.Partition] = o.Offset })
	return b, nil
}

// reached reports whether nothing is left of a partition at the given position.
// Offsets below the start are gone, so an emptied partition has nothing left.
func (b bounds) reached(id int32, position int64) bool {
	return position >= b.end[id] || b.start[id] >= b.end[id]
}

// finished reports whether a source that reads until the end has it: its own
// partitions are read, and the group has committed the others. So a worker outlives
// those that it may have to take over from.
func (s *Source) finished(ctx context.Context) (bool, error) {
	s.mu.Lock()
	joined, mine, others := s.joined, true, []int32(nil)
	for id := range s.bounds.end {
		p := s.parts[id]
		switch {
		case p == nil && !s.bounds.reached(id, -1):
			others = append(others, id)
		case p != nil && !s.bounds.reached(id, p.position):
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
	commits, err := s.admin.FetchOffsetsForTopics(ctx, s.opts.Group, s.opts.Topic)
	if err != nil {
		return false, fmt.Errorf("kafka: look up the commits of group %s: %w", s.opts.Group, err)
	}
	for _, id := range others {
		o, ok := commits.Lookup(s.opts.Topic, id)
		if !ok || o.Err != nil || !s.bounds.reached(id, o.At) {
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
	for id, offset := range offsets[s.opts.Topic] {
		p := s.parts[id]
		if p == nil {
			continue
		}
		if s.from != nil && !s.placed[id] {
			s.placed[id] = true
			offset = kgo.NewOffset().AtStart()
			if next, ok := s.from[id]; ok {
				offset = kgo.NewOffset().At(next)
				p.floor = next
			}
			offsets[s.opts.Topic][id] = offset
		}
		switch at := offset.EpochOffset().Offset; at {
		case -1: // the end
			p.position = s.bounds.end[id]
		case -2: // the start
			p.position = s.bounds.start[id]
		default:
			p.position = at
		}
	}
	s.joined = true
	s.wakePoll()
	return offsets, nil
}
