package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/any-order/a3/connectors"
)

// coordinatorWait is how long to wait before a coordinator is asked for again.
const coordinatorWait = 200 * time.Millisecond

// Begin connects and returns where the group begins in each partition of the topics: at its
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
	for _, at := range slices.SortedFunc(maps.Keys(from), place.compare) {
		out = append(out, connectors.Origin{Stream: at.topic, Partition: at.partition, Next: from[at]})
	}
	return out, nil
}

// Extent is what a partition holds: the records from First on, before End.
type Extent struct {
	Topic      string
	Partition  int32
	First, End int64
}

// Extents connects and returns what the partitions of the topics hold now, in their order.
// It does not join the group.
func Extents(ctx context.Context, o SourceOptions) (out []Extent, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	base, err := o.Cluster.options()
	if err != nil {
		return nil, err
	}
	err = probe(ctx, o.Brokers, o.Topics, base, func(ctx context.Context, admin *kadm.Client) error {
		b, err := lookUp(ctx, admin, o.Topics)
		for _, at := range slices.SortedFunc(maps.Keys(b.end), place.compare) {
			out = append(out, Extent{at.topic, at.partition, b.start[at], b.end[at]})
		}
		return err
	})
	return out, err
}

// standing returns the bounds of topics and where their group stands in each partition.
func standing(ctx context.Context, o SourceOptions) (b bounds, from map[place]int64, err error) {
	base, err := o.Cluster.options()
	if err != nil {
		return b, nil, err
	}
	err = probe(ctx, o.Brokers, o.Topics, base, func(ctx context.Context, admin *kadm.Client) (err error) {
		if b, err = lookUp(ctx, admin, o.Topics); err != nil {
			return err
		}
		commits, err := commitsOf(ctx, admin, o.Group, o.Topics)
		if err != nil {
			return fmt.Errorf("look up the commits of group %s: %w", o.Group, err)
		}
		from = make(map[place]int64, len(b.end))
		for at, end := range b.end {
			from[at] = b.start[at]
			if o.Start == StartLatest {
				from[at] = end
			}
			if commit, ok := commits.Lookup(at.topic, at.partition); ok && commit.Err == nil && commit.At >= 0 {
				from[at] = commit.At
				if commit.At < b.start[at] || commit.At > end {
					from[at] = b.start[at] // as the client does
				}
			}
		}
		return nil
	})
	return b, from, err
}

// commitsOf returns what a group has committed of topics; a group that has never been has
// nothing. It asks again for as long as the group has no coordinator: on a new cluster the
// topic in which commits are kept is only made when somebody first asks for them, and the
// client has given up by then.
func commitsOf(ctx context.Context, admin *kadm.Client, group string, topics []string) (kadm.OffsetResponses, error) {
	for {
		commits, err := admin.FetchOffsetsForTopics(ctx, group, topics...)
		switch {
		case errors.Is(err, kerr.GroupIDNotFound):
			return commits, nil
		case !errors.Is(err, kerr.CoordinatorNotAvailable) && !errors.Is(err, kerr.CoordinatorLoadInProgress) && !errors.Is(err, kerr.NotCoordinator):
			return commits, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(coordinatorWait):
		}
	}
}
