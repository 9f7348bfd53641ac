package kafka

import (
	"context"
	"fmt"
)

// Lag is how many offsets lie between a group's commit and the end of a partition: what is
// not acknowledged yet.
type Lag struct {
	Topic     string
	Partition int32
	Records   int64
}

// Lag returns the lag of each partition that this worker has now. It asks the brokers.
func (s *Source) Lag(ctx context.Context) ([]Lag, error) {
	parts := s.assigned()
	if len(parts) == 0 {
		return nil, nil
	}
	ends, err := s.admin.ListEndOffsets(ctx, s.opts.Topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: list the last offsets of %s: %w", s.opts.Named(), err)
	}
	commits, err := s.admin.FetchOffsetsForTopics(ctx, s.opts.Group, s.opts.Topics...)
	if err != nil {
		return nil, fmt.Errorf("kafka: look up the commits of group %s: %w", s.opts.Group, err)
	}
	out := make([]Lag, 0, len(parts))
	for _, p := range parts {
		end, ok := ends.Lookup(p.at.topic, p.at.partition)
		if !ok {
			continue // it is gone
		}
		from := s.bounds.start[p.at]
		if commit, ok := commits.Lookup(p.at.topic, p.at.partition); ok && commit.Err == nil && commit.At >= 0 {
			from = commit.At
		}
		out = append(out, Lag{p.at.topic, p.at.partition, max(end.Offset-from, 0)})
	}
	return out, nil
}

// Partitions returns how many partitions this worker has now.
func (s *Source) Partitions() int { return len(s.assigned()) }

// Behind connects and returns how many partitions the topics have, and how many records
// their group has not acknowledged, without joining the group.
func Behind(ctx context.Context, o SourceOptions) (partitions int, records int64, err error) {
	b, from, err := standing(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	for at, end := range b.end {
		records += max(end-from[at], 0)
	}
	return len(b.end), records, nil
}
