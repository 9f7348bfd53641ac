package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/any-order/a3/core/strategy"
)

// TestMain lets the test binary be everything that the tests start: plugins, good
// ones and bad ones, and a host that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "serve":
			serve(os.Args[2])
			return
		case "host":
			hostUntilKilled(os.Args[2])
			return
		}
	}
	goleak.VerifyTestMain(m)
}

// options run the fixtures as processes, with short times.
func options(t *testing.T) Options {
	t.Helper()
	return Options{
		Self:        self(),
		Builtins:    fixtures(),
		Vocab:       vocab,
		Environ:     []string{"GORACE=atexit_sleep_ms=0"}, // a second a process under the race detector
		AllowEnv:    []string{"GORACE"},
		CallTimeout: 30 * time.Second, // under the race detector, on a busy machine
		StopTimeout: 2 * time.Second,
		Backoff:     time.Millisecond,
		MaxBackoff:  4 * time.Millisecond,
		Logger:      slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
}

func self() Command {
	executable, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Command{Path: executable, Args: []string{"serve"}}
}

// testWriter shows logs of failing tests.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

// open opens a plugin that is closed with the test.
func open(t *testing.T, spec string, options Options) *Plugin {
	t.Helper()
	p, err := Open(t.Context(), spec, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// restarts counts restarts.
type restarts struct {
	mu     sync.Mutex
	causes []error // guarded by mu
}

func (r *restarts) on(_ string, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.causes = append(r.causes, cause)
}

const (
	vocab  = 10
	blanks = 6
)

func intros(n int) []strategy.Document {
	docs := make([]strategy.Document, n)
	for i := range docs {
		docs[i] = strategy.Document{ID: uint64(i + 1), Key: 7, Length: 20, Open: []int32{1, 2, 5, 8, 13, 19}}
	}
	return docs
}

// outcome is the order in which a document was filled, or why it was not.
type outcome struct {
	order  []int32
	failed error
}

// fill fills n documents step by step, in one batch, and calls before ahead of each
// step.
func fill(ctx context.Context, s strategy.Strategy, n int, before func(step int)) (map[uint64]*outcome, error) {
	docs := intros(n)
	if err := s.Begin(ctx, docs); err != nil {
		return nil, err
	}
	outcomes := make(map[uint64]*outcome)
	open, states := make(map[uint64][]int32), make(map[uint64][]byte)
	live := make([]uint64, n)
	for i, d := range docs {
		outcomes[d.ID], open[d.ID], live[i] = new(outcome), slices.Clone(d.Open), d.ID
	}
	for step := 0; len(live) > 0; step++ {
		if before != nil {
			before(step)
		}
		obs := &strategy.Observation{Offset: []int32{0}}
		for _, id := range live {
			obs.Doc = append(obs.Doc, id)
			obs.Step = append(obs.Step, int32(len(outcomes[id].order)))
			obs.Remain = append(obs.Remain, int32(len(open[id])))
			obs.Position = append(obs.Position, open[id]...)
			obs.Offset = append(obs.Offset, int32(len(obs.Position)))
			obs.State = append(obs.State, states[id])
		}
		dec, err := s.Next(ctx, obs)
		var failed *strategy.BatchError
		if err != nil && !errors.As(err, &failed) {
			return nil, err
		}
		var ended []uint64
		for d, id := range live {
			if failed != nil && failed.Failed[id] != nil {
				outcomes[id].failed = failed.Failed[id]
				ended = append(ended, id)
				continue
			}
			group := dec.At(d).Commit
			if state := dec.At(d).State; state != nil {
				states[id] = slices.Clone(state)
			}
			outcomes[id].order = append(outcomes[id].order, group...)
			open[id] = slices.DeleteFunc(open[id], func(p int32) bool { return slices.Contains(group, p) })
			if len(open[id]) == 0 {
				ended = append(ended, id)
			}
		}
		live = slices.DeleteFunc(live, func(id uint64) bool { return slices.Contains(ended, id) })
		if err := s.End(ctx, ended); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// wantFilled wants each document filled as the fixture fills it, but for those of
// which failed says that they fail with an error.
func wantFilled(t *testing.T, got map[uint64]*outcome, failed ...uint64) {
	t.Helper()
	for id, o := range got {
		if slices.Contains(failed, id) {
			if o.failed == nil {
				t.Errorf("document %d was filled: %v", id, o.order)
			}
			continue
		}
		if o.failed != nil {
			t.Errorf("document %d: %v", id, o.failed)
		} else if !reflect.DeepEqual(o.order, fixtureOrder(id)) {
			t.Errorf("document %d was filled in the order %v, want %v", id, o.order, fixtureOrder(id))
		}
	}
}

// fixtureOrder is the order in which a faulty strategy without a fault fills.
func fixtureOrder(id uint64) []int32 {
	open := intros(1)[0].Open
	var order []int32
	for step := range int32(blanks) {
		i := choice(7, step, len(open))
		order = append(order, open[i])
		open = slices.Delete(slices.Clone(open), i, i+1)
	}
	return order
}

// hostUntilKilled opens a plugin, prints its process id and waits for the end.
func hostUntilKilled(spec string) {
	p, err := Open(context.Background(), spec, Options{Self: self(), Builtins: fixtures()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	select {}
}
