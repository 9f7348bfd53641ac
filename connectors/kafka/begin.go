package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/any-order/a3/connectors"
)

// Begin connects and returns where the group begins in each partition of the topic: at its
// commit, else where Start says. It does not join the group. As SourceOptions.From these
// positions are kept, whatever happens to the commits.
func Begin(ctx context.Context, o SourceOptions) ([]connectors.Origin, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	_, from, err := standing(ctx, o)
	if err != nil {
		return nil, err
	}
	out := make([]connectors.Origin, 0, len(from))
	for _, id := range slices.Sorted(maps.Keys(from)) {
		out = append(out, connectors.Origin{Stream: o.Topic, Partition: id, Next: from[id]})
	}
	return out, nil
}

// standing returns the bounds of a topic and where its group stands in each partition.
func standing(ctx context.Context, o SourceOptions) (b bounds, from map[int32]int64, err error) {
	base, err := o.Cluster.options()
	if err != nil {
		return b, nil, err
	}
	err = probe(ctx, o.Brokers, o.Topic, base, func(ctx context.Context, admin *kadm.Client) (err error) {
		if b, err = lookUp(ctx, admin, o.Topic); err != nil {
			return err
		}
		commits, err := admin.FetchOffsetsForTopics(ctx, o.Group, o.Topic)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // a group that has never been has no commits
			return fmt.Errorf("look up the commits of group %s: %w", o.Group, err)
		}
		from = make(map[int32]int64, len(b.end))
		for id, end := range b.end {
			from[id] = b.start[id]
			if o.Start == StartLatest {
				from[id] = end
			}
			if commit, ok := commits.Lookup(o.Topic, id); ok && commit.Err == nil && commit.At >= 0 {
				from[id] = commit.At
			}
		}
		return nil
	})
	return b, from, err
}
