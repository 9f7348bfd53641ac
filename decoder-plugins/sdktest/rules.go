package sdktest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Rule is one thing that every strategy must do.
type Rule struct {
	Name  string
	Check func(ctx context.Context, open Open) error
}

// Rules returns what Run and Check hold a strategy to.
func Rules() []Rule {
	return []Rule{
		{"specification", checkSpec},
		{"fills each blank once", func(ctx context.Context, open Open) error {
			_, err := fill(ctx, &engine{open: open}, documents())
			return err
		}},
		{"repeats itself", func(ctx context.Context, open Open) error {
			return same(ctx, "a second time", &engine{open: open}, &engine{open: open})
		}},
		{"does not depend on a batch's composition", func(ctx context.Context, open Open) error {
			return same(ctx, "in batches of other documents", &engine{open: open}, &engine{open: open, partial: true})
		}},
		{"does not depend on batch mates", checkAlone},
		{"does not depend on ids", checkIDs},
		{"goes on after a restart", func(ctx context.Context, open Open) error {
			return same(ctx, "with a restart before every step", &engine{open: open}, &engine{open: open, restart: true})
		}},
		{"takes documents without blanks", checkNothing},
		{"returns when cancelled", checkCancel},
	}
}

// Check holds a strategy to all rules. The error names those that it breaks.
func Check(ctx context.Context, open Open) error {
	var broken []error
	for _, rule := range Rules() {
		if err := rule.Check(ctx, open); err != nil {
			broken = append(broken, fmt.Errorf("%s: %w", rule.Name, err))
		}
	}
	return errors.Join(broken...)
}

// trace is what became of a document.
type trace struct {
	Tokens []int32
	Groups [][]int32
}

// fill fills the documents and returns what became of them, in order.
func fill(ctx context.Context, e *engine, docs []*document) ([]trace, error) {
	if err := e.fill(ctx, docs); err != nil {
		return nil, err
	}
	traces := make([]trace, len(docs))
	for i, d := range docs {
		traces[i] = trace{Tokens: d.tokens, Groups: d.groups}
	}
	return traces, nil
}

// same fills the documents with both engines and compares.
func same(ctx context.Context, how string, a, b *engine) error {
	want, err := fill(ctx, a, documents())
	if err != nil {
		return err
	}
	got, err := fill(ctx, b, documents())
	if err != nil {
		return fmt.Errorf("%s: %w", how, err)
	}
	return compare(how, documents(), got, want)
}

// compare names the first document and group that differ.
func compare(how string, docs []*document, got, want []trace) error {
	for i := range want {
		if reflect.DeepEqual(got[i], want[i]) {
			continue
		}
		for g := range want[i].Groups {
			if g >= len(got[i].Groups) || !slices.Equal(got[i].Groups[g], want[i].Groups[g]) {
				return fmt.Errorf("document %d is filled otherwise %s: group %d was %v", docs[i].intro.ID, how, g, want[i].Groups[g])
			}
		}
		return fmt.Errorf("document %d gets other tokens %s", docs[i].intro.ID, how)
	}
	return nil
}

func checkSpec(ctx context.Context, open Open) error {
	var specs []strategy.Spec
	for range 2 {
		e := &engine{open: open}
		if err := e.start(ctx); err != nil {
			return err
		}
		specs = append(specs, e.instance.Spec(), e.instance.Spec())
		if err := e.end(); err != nil {
			return err
		}
	}
	for _, s := range specs {
		if s != specs[0] {
			return fmt.Errorf("it changes from %+v to %+v", specs[0], s)
		}
	}
	return specs[0].Validate()
}

func checkAlone(ctx context.Context, open Open) error {
	want, err := fill(ctx, &engine{open: open}, documents())
	if err != nil {
		return err
	}
	for i, d := range documents() {
		got, err := fill(ctx, &engine{open: open}, []*document{d})
		if err != nil {
			return fmt.Errorf("document %d alone: %w", d.intro.ID, err)
		}
		if err := compare("alone", []*document{d}, got, want[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func checkIDs(ctx context.Context, open Open) error {
	want, err := fill(ctx, &engine{open: open}, documents())
	if err != nil {
		return err
	}
	docs := documents()
	for _, d := range docs {
		d.intro.ID = ^d.intro.ID * 3 // odd, so no two become equal
	}
	got, err := fill(ctx, &engine{open: open}, docs)
	if err != nil {
		return fmt.Errorf("under other ids: %w", err)
	}
	return compare("under another id", docs, got, want)
}

// checkNothing introduces no documents, and documents with nothing to fill.
func checkNothing(ctx context.Context, open Open) error {
	if _, err := fill(ctx, &engine{open: open}, nil); err != nil {
		return fmt.Errorf("no documents: %w", err)
	}
	_, err := fill(ctx, &engine{open: open}, []*document{newDocument(1, 1, 5), newDocument(2, 2, 0)})
	return err
}

// patience is how long a call may take to notice that it was cancelled.
const patience = 2 * time.Second

// checkCancel makes calls under a context that has ended, and under one that ends
// meanwhile. What they answer does not matter; that they return does.
func checkCancel(ctx context.Context, open Open) (err error) {
	e := &engine{open: open}
	if err := e.start(ctx); err != nil {
		return err
	}
	docs := documents()
	if _, ok := e.instance.(strategy.Strategy); ok {
		if err := e.begin(ctx, docs); err != nil {
			return errors.Join(err, e.end())
		}
	}
	for _, delay := range []time.Duration{0, 5 * time.Millisecond} {
		cancelled, cancel := context.WithTimeout(ctx, delay)
		defer cancel()
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			defer func() { _ = recover() }() // other rules report panics
			_ = callOnce(cancelled, e.instance, docs)
		}()
		select {
		case <-returned:
		case <-time.After(patience):
			// The call still uses the instance: it cannot be ended.
			return fmt.Errorf("a call does not return within %v of the end of its context", patience)
		}
	}
	return e.end()
}

func callOnce(ctx context.Context, instance sdk.Instance, docs []*document) error {
	switch s := instance.(type) {
	case strategy.Strategy:
		_, err := s.Next(ctx, observe(docs, s.Spec()))
		return err
	case strategy.Planner:
		_, err := s.Plan(ctx, introduce(docs, s.Spec().Text))
		return err
	}
	return nil
}
