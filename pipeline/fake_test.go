package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records returns n records "0", "1", ...
func records(n int) []connectors.Record {
	out := make([]connectors.Record, n)
	for i := range out {
		out[i].Value = fmt.Append(nil, i)
	}
	return out
}

// outputs returns the values that upper makes of "0" to "n-1".
func outputs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("<%d>", i)
	}
	return out
}

// fakeJob makes "<value>" of each value. Values that start with "bad" fail in Compute,
// "worse" in Prepare, "panic" panics there; "same" passes unchanged.
type fakeJob struct {
	// order rearranges what has been gathered before it is handed on; nil = as it came.
	order func([]*pipeline.Item)
	// gather is how many items are held back until they are handed on; 0 = one.
	gather int
	// gate, if not nil, is received from before an item is handed on.
	gate chan struct{}

	mu       sync.Mutex
	prepared int // mu
}

func (j *fakeJob) Prepare(item *pipeline.Item) {
	j.mu.Lock()
	j.prepared++
	j.mu.Unlock()
	switch value := string(item.Delivery.Value); {
	case strings.HasPrefix(value, "worse"):
		item.Err = errors.New("cannot be prepared")
	case strings.HasPrefix(value, "panic"):
		item.Task = 1
		panic("index out of range")
	case strings.HasPrefix(value, "same"):
		item.Output, item.Note.Unchanged = item.Delivery.Value, true
	default:
		item.Task = value
	}
}

func (j *fakeJob) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	var held []*pipeline.Item
	release := func() error {
		if j.order != nil {
			j.order(held)
		}
		for _, item := range held {
			if value := item.Task.(string); strings.HasPrefix(value, "bad") {
				item.Err = errors.New("cannot be computed")
			} else {
				item.Output = fmt.Appendf(nil, "<%s>", value)
			}
			item.Note.Tokens, item.Note.ModelCalls = 2, 1
			if j.gate != nil {
				select {
				case <-j.gate:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := done(item); err != nil {
				return err
			}
		}
		held = held[:0]
		return nil
	}
	for {
		select {
		case item, ok := <-in:
			if !ok {
				return release()
			}
			if held = append(held, item); len(held) >= j.gather {
				if err := release(); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fakeSink logs what is written to it and fails as told.
type fakeSink struct {
	*memory.Sink
	log  func(string)
	fail func(batch []connectors.Record) error // before anything is written; nil = never
}

func (s *fakeSink) Write(ctx context.Context, batch []connectors.Record) error {
	if s.fail != nil {
		if err := s.fail(batch); err != nil {
			return err
		}
	}
	for _, rec := range batch {
		if s.log != nil {
			s.log("write " + string(rec.Value))
		}
	}
	return s.Sink.Write(ctx, batch)
}

// settling wraps a source so that log is told of every Settle.
type settling struct {
	connectors.Source
	log func(string)
}

func (s settling) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	batch, err := s.Source.Read(ctx, max)
	for i := range batch {
		d, settle := &batch[i], batch[i].Settle
		name := string(d.Value)
		d.Settle = func(err error) {
			s.log("settle " + name)
			settle(err)
		}
	}
	return batch, err
}

// diary is a log that is safe for several goroutines.
type diary struct {
	mu    sync.Mutex
	lines []string // mu
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func values(recs []connectors.Record) []string {
	out := make([]string, len(recs))
	for i, r := range recs {
		out[i] = string(r.Value)
	}
	return out
}

// acknowledged returns how many records a memory source has settled without a gap.
func acknowledged(src *memory.Source) int64 {
	for _, o := range src.Acknowledged() {
		return o.Next
	}
	return 0
}

func wantValues(t *testing.T, got []connectors.Record, want ...string) {
	t.Helper()
	if g := values(got); !slices.Equal(g, want) {
		t.Errorf("values %q, want %q", g, want)
	}
}

// bounded is the context of a test that would hang if it failed.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func options(window, batch int) pipeline.Options {
	return pipeline.Options{Window: window, WriteBatch: batch}
}
