package cli

import (
	"context"
	"sync"
	"time"

	"github.com/any-order/a3/connectors/kafka"
)

// lagEvery is the time between two looks at the lag.
const lagEvery = 5 * time.Second

// lagWatch tells the metrics which partitions this worker has, and how far behind it is.
type lagWatch struct {
	*watch
	input string        // for people
	moved chan struct{} // a token: partitions came or went
	known map[partition]bool

	stop context.CancelFunc
	done sync.WaitGroup
}

// partition is one whose lag is told.
type partition struct {
	topic string
	id    int32
}

// newLagWatch returns a watch for a source that is yet to be opened: the options tell it of
// rebalances.
func newLagWatch(w *watch, o *kafka.SourceOptions) *lagWatch {
	l := &lagWatch{watch: w, input: o.Named(), moved: make(chan struct{}, 1), known: map[partition]bool{}}
	o.OnRebalance = func() {
		w.metrics.Rebalanced()
		select {
		case l.moved <- struct{}{}:
		default: // it will look anyway
		}
	}
	return l
}

// follow begins to watch the source. The caller closes the watch before the source.
func (l *lagWatch) follow(src *kafka.Source) {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() {
		ticker := time.NewTicker(lagEvery)
		defer ticker.Stop()
		for {
			select {
			case <-l.moved:
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			l.look(ctx, src)
		}
	})
}

func (l *lagWatch) look(ctx context.Context, src *kafka.Source) {
	n := src.Partitions()
	l.metrics.Assigned(n)
	if n > 0 {
		l.health.Met(partitionsAssigned)
	}
	lag, err := src.Lag(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.logger.Warn("the lag is not known", "input", l.input, "error", err)
		}
		return
	}
	now := make(map[partition]bool, len(lag))
	for _, p := range lag {
		now[partition{p.Topic, p.Partition}] = true
		l.metrics.Lag(p.Topic, p.Partition, p.Records)
	}
	for p := range l.known {
		if !now[p] {
			l.metrics.Unassigned(p.topic, p.id)
		}
	}
	l.known = now
}

// close ends the watch.
func (l *lagWatch) close() {
	l.stop()
	l.done.Wait()
}
