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
	topic string
	moved chan struct{} // a token: partitions came or went
	known map[int32]bool

	stop context.CancelFunc
	done sync.WaitGroup
}

// newLagWatch returns a watch for a source that is yet to be opened: the options tell it of
// rebalances.
func newLagWatch(w *watch, o *kafka.SourceOptions) *lagWatch {
	l := &lagWatch{watch: w, topic: o.Topic, moved: make(chan struct{}, 1), known: map[int32]bool{}}
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
	n := len(src.Partitions())
	l.metrics.Assigned(n)
	if n > 0 {
		l.health.Met(partitionsAssigned)
	}
	lag, err := src.Lag(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.logger.Warn("the lag is not known", "topic", l.topic, "error", err)
		}
		return
	}
	for id := range l.known {
		if _, still := lag[id]; !still {
			l.metrics.Unassigned(l.topic, id)
			delete(l.known, id)
		}
	}
	for id, records := range lag {
		l.known[id] = true
		l.metrics.Lag(l.topic, id, records)
	}
}

// close ends the watch.
func (l *lagWatch) close() {
	l.stop()
	l.done.Wait()
}
