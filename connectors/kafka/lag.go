package kafka

import (
	"context"
	"fmt"
)

// Lag returns, for each partition that this worker has now, how many offsets lie between
// the group's commit and the end of the partition: what is not acknowledged yet. It asks
// the brokers.
func (s *Source) Lag(ctx context.Context) (map[int32]int64, error) {
	ids := s.Partitions()
	if len(ids) == 0 {
		return nil, nil
	}
	ends, err := s.admin.ListEndOffsets(ctx, s.opts.Topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: list the last offsets of topic %s: %w", s.opts.Topic, err)
	}
	commits, err := s.admin.FetchOffsetsForTopics(ctx, s.opts.Group, s.opts.Topic)
	if err != nil {
		return nil, fmt.Errorf("kafka: look up the commits of group %s: %w", s.opts.Group, err)
	}
	out := make(map[int32]int64, len(ids))
	for _, id := range ids {
		end, ok := ends.Lookup(s.opts.Topic, id)
		if !ok {
			continue // it is gone
		}
		from := s.bounds.start[id]
		if commit, ok := commits.Lookup(s.opts.Topic, id); ok && commit.Err == nil && commit.At >= 0 {
			from = commit.At
		}
		out[id] = max(end.Offset-from, 0)
	}
	return out, nil
}

// Partitions returns the partitions that this worker has now.
func (s *Source) Partitions() []int32 {
	var out []int32
	for _, p := range s.assigned() {
		out = append(out, p.id)
	}
	return out
}

// Behind connects and returns how many partitions a topic has, and how many records its
// group has not acknowledged, without joining the group.
func Behind(ctx context.Context, o SourceOptions) (partitions int, records int64, err error) {
	b, from, err := standing(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	for id, end := range b.end {
		records += max(end-from[id], 0)
	}
	return len(b.end), records, nil
}
