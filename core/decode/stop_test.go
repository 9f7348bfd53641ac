package decode

import (
	"slices"
	"strings"
	"testing"
)

// A document ends when the stop token is known and nothing before it is blank.
func TestStopAt(t *testing.T) {
	const stop = 9
	o := DefaultOptions()
	o.StopAt = stop
	own := func(at map[int32]int32) func(position, step int32) (int32, bool) {
		return func(position, _ int32) (int32, bool) {
			if t, ok := at[position]; ok {
				return t, true
			}
			return 0, true // a token that never stops
		}
	}
	for _, c := range []struct {
		name   string
		canvas string
		k      int
		at     map[int32]int32
		filled string // x = filled, _ = left blank, . = given
	}{
		{"at once", "1____2", 4, map[int32]int32{2: stop}, ".xxxx."},
		{"one by one", "1____2", 1, map[int32]int32{2: stop}, ".xx__."},
		{"never", "1____2", 1, nil, ".xxxx."},
		{"given at the end", "1____9", 1, nil, ".xxxx."},
		{"given in the middle", "1_9__2", 1, nil, ".x.__."},
		{"given at the start", "9____2", 1, nil, ".____."},
	} {
		s := &surest{k: c.k, window: c.k, own: own(c.at)}
		r, err := decodeAll(t.Context(), newEngine(t, tinyModel(t), o), s, []*Document{{Canvas: canvasOf(c.canvas)}})
		if err != nil || r[0].Err != nil {
			t.Fatalf("%s: %v, %v", c.name, err, r[0].Err)
		}
		var filled strings.Builder
		for p, blank := range canvasOf(c.canvas).Blank {
			switch {
			case !blank:
				filled.WriteByte('.')
			case r[0].Order[p] >= 0:
				filled.WriteByte('x')
			default:
				filled.WriteByte('_')
			}
		}
		if filled.String() != c.filled {
			t.Errorf("%s: filled %s, want %s", c.name, &filled, c.filled)
		}
		if len(s.live) != 0 {
			t.Errorf("%s: the document was never ended", c.name)
		}
	}
}

// Regrouping as published is another distribution from the second step on.
func TestRegroupPublished(t *testing.T) {
	m := tinyModel(t)
	docs := []*Document{{Canvas: canvasOf("1______2")}}
	run := func(r Regroup) *Result {
		o := DefaultOptions()
		o.Regroup = r
		results, err := decodeAll(t.Context(), newEngine(t, m, o), &planned{2}, docs)
		if err != nil || results[0].Err != nil {
			t.Fatal(err, results[0].Err)
		}
		return results[0]
	}
	commit, published := run(RegroupCommit), run(RegroupPublished)
	sameResults(t, "the empty setting", []*Result{run("")}, []*Result{commit})
	if commit.Steps != published.Steps || published.Rows <= commit.Rows {
		t.Errorf("commit %+v, published %+v", commit, published)
	}
	if slices.Equal(commit.LogProb, published.LogProb) {
		t.Error("regrouping changes no probability")
	}
	// Given tokens one by one, or as one group: with one given token the first step is
	// the same.
	docs = []*Document{{Canvas: canvasOf("1____")}}
	commit, published = run(RegroupCommit), run(RegroupPublished)
	for _, p := range commit.Groups[0] {
		if commit.Tokens[p] != published.Tokens[p] || commit.LogProb[p] != published.LogProb[p] {
			t.Errorf("position %d of the first step: %v and %v", p, commit.LogProb[p], published.LogProb[p])
		}
	}
}
