package host

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/any-order/a3/core/strategy"
)

// TestCancel: a cancelled call returns at once, and the plugin can be used again.
func TestCancel(t *testing.T) {
	var r restarts
	o := options(t)
	o.OnRestart = r.on
	p := open(t, "faulty:document=1,fault=hang", o)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	begin := time.Now()
	_, err := fill(ctx, p.Strategy(), 1, func(step int) {
		if step == 2 {
			time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
		}
	})
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > o.CallTimeout {
		t.Errorf("it took %v", d)
	}
	docs := intros(2)[1:]
	if err := p.Strategy().Begin(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Strategy().Next(t.Context(), observation(docs)); err != nil {
		t.Errorf("a later call: %v", err)
	}
	if len(r.causes) > 0 {
		t.Errorf("cancelling counts as a failure: %v", r.causes)
	}
}

// observation proposes all open positions of fresh documents.
func observation(docs []strategy.Document) *strategy.Observation {
	obs := &strategy.Observation{Offset: []int32{0}}
	for _, d := range docs {
		obs.Doc = append(obs.Doc, d.ID)
		obs.Step = append(obs.Step, 0)
		obs.Remain = append(obs.Remain, int32(len(d.Open)))
		obs.Position = append(obs.Position, d.Open...)
		obs.Offset = append(obs.Offset, int32(len(obs.Position)))
	}
	return obs
}

// TestCloseDuringCall: Close cuts a call short.
func TestCloseDuringCall(t *testing.T) {
	p := open(t, "faulty:document=1,fault=hang", options(t))
	closed := make(chan error, 1)
	_, err := fill(t.Context(), p.Strategy(), 1, func(step int) {
		if step == 2 {
			time.AfterFunc(50*time.Millisecond, func() { closed <- p.Close() })
		}
	})
	if !errors.Is(err, ErrClosed) {
		t.Errorf("the call returns %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestMisuse: mistakes of the engine are errors, and reach no plugin.
func TestMisuse(t *testing.T) {
	o := options(t)
	o.InProcess = true
	p := open(t, "faulty", o)
	s := p.Strategy()
	docs := intros(2)
	if err := s.Begin(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	wrong := observation(docs)
	wrong.Offset[1] = 0
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"begun twice", s.Begin(t.Context(), docs[:1]), "document 1 is begun already"},
		{"twice in a batch", s.Begin(t.Context(), []strategy.Document{{ID: 9}, {ID: 9}}), "document 9 is twice"},
		{"open outside", s.Begin(t.Context(), []strategy.Document{{ID: 9, Length: 2, Open: []int32{2}}}), "open position 2"},
		{"open descends", s.Begin(t.Context(), []strategy.Document{{ID: 9, Length: 3, Open: []int32{2, 1}}}), "position 1 follows 2"},
		{"not begun", next(s, observation(intros(3))), "document 3 is not begun"},
		{"nothing proposed", next(s, wrong), "document 1 has no proposed position"},
		{"malformed", next(s, &strategy.Observation{Doc: []uint64{1}}), "0 steps"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, c.err, c.want)
		}
	}
	if err := next(s, observation(docs)); err != nil {
		t.Errorf("a right call after all that: %v", err)
	}
	if err := next(s, &strategy.Observation{Offset: []int32{0}}); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	if err := s.End(t.Context(), []uint64{1, 77}); err != nil {
		t.Errorf("end of an unknown document: %v", err)
	}
}

func next(s strategy.Strategy, obs *strategy.Observation) error {
	_, err := s.Next(context.Background(), obs)
	return err
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.CallTimeout = -1 }, "CallTimeout"},
		{func(o *Options) { o.Vocab = -1 }, "Vocab"},
		{func(o *Options) { o.Self = Command{} }, "Options.Self or InProcess"},
		{func(o *Options) { o.SHA256 = "00" }, "is built in"},
		{func(o *Options) { o.Builtins = nil }, "unknown strategy"},
	} {
		o := options(t)
		c.change(&o)
		if _, err := Open(t.Context(), "faulty", o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
}
