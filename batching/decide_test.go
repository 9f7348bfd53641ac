package batching

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/order"
)

// threeStages is a curriculum of stages of 6 steps, with one phase each.
func threeStages(t *testing.T, steps ...int) order.Curriculum {
	t.Helper()
	var c order.Curriculum
	for i, text := range []string{"ltr", "blocks:2", "permuted:4"} {
		m, err := order.ParseMixture(text)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, order.Stage{Name: text, Steps: steps[i], Phases: []order.Mixture{m}})
	}
	return c
}

// Stages that are ended on the way give the batches of a curriculum that planned them so,
// however far the loader prepares ahead, and from wherever the run is resumed.
func TestDecide(t *testing.T) {
	corpus, mem := testCorpus(t, testDocuments(20)), checked(t)
	recipe, planned := testRecipe(), testRecipe()
	recipe.Curriculum, planned.Curriculum = threeStages(t, 6, 6, 0), threeStages(t, 4, 2, 0)
	want := corpusBatches(t, corpus, 0, planned, LoaderOptions{Mem: mem}, 12)
	stages := func(batches []*TrainingBatch) (list []int) {
		for _, b := range batches {
			list = append(list, b.Stage())
		}
		return list
	}
	decisions := map[int]decision{ // by step
		2: {nil, 4}, 4: {[]int{4}, 6}, 6: {[]int{4, 2}, 0},
	}
	for prefetch := 1; prefetch <= 5; prefetch++ {
		for from := range 10 {
			opts := LoaderOptions{Mem: mem, Prefetch: prefetch, Until: 2}
			if from > 0 {
				opts.From = want[from-1].After()
			}
			for step := range from + 1 {
				if d, ok := decisions[step]; ok {
					opts.Taken, opts.Until = d.taken, d.until
				}
			}
			l, err := NewCorpusLoader(corpus, 0, recipe, opts)
			if err != nil {
				t.Fatal(err)
			}
			var got []*TrainingBatch
			for step := from; step < 12; step++ {
				if d, ok := decisions[step]; ok && step > from {
					if _, err := l.Next(context.Background(), step); err == nil || !strings.Contains(err.Error(), "Decide comes first") {
						t.Fatalf("step %d before it is decided: %v", step, err)
					}
					if err := l.Decide(d.taken, d.until); err != nil {
						t.Fatal(err)
					}
				}
				got = append(got, take(t, l, step, 1)...)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			for i, b := range got {
				w := want[from+i]
				if b.Stage() != w.Stage() || len(b.Segments()) != len(w.Segments()) {
					t.Fatalf("prefetch %d, from step %d: stages %v, want %v", prefetch, from, stages(got), stages(want[from:]))
				}
				for r, s := range b.Segments() {
					if w := w.Segments()[r]; !slices.Equal(s.Tokens, w.Tokens) || !slices.Equal(s.Group, w.Group) {
						t.Fatalf("prefetch %d, from step %d: step %d, row %d: other grouping", prefetch, from, b.Step(), r)
					}
				}
			}
		}
	}
}

func TestDecideRefuses(t *testing.T) {
	corpus, recipe := testCorpus(t, testDocuments(20)), testRecipe()
	recipe.Curriculum = threeStages(t, 6, 6, 0)
	for want, opts := range map[string]LoaderOptions{
		"it took 7 steps, want 1 to 6":            {Taken: []int{7}},
		"the last one does not end":               {Taken: []int{1, 1, 1}},
		"it must be behind the cursor's step, 3":  {From: Cursor{Step: 3}, Until: 3},
		"it must be behind the cursor's step, 30": {From: Cursor{Step: 30}, Until: 3},
	} {
		if _, err := NewCorpusLoader(corpus, 0, recipe, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	l, err := NewCorpusLoader(corpus, 0, recipe, LoaderOptions{Until: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Decide(nil, 4); err == nil || !strings.Contains(err.Error(), "decided at step 0; the course is decided up to step 2") {
		t.Errorf("decided too early: %v", err)
	}
	take(t, l, 0, 2)
	if err := l.Decide(nil, 2); err == nil || !strings.Contains(err.Error(), "must be behind step 2") {
		t.Errorf("decided up to where it is: %v", err)
	}
}
