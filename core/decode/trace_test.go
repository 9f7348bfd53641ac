package decode

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// The events of a document, replayed, give its result, whatever the strategy does; to trace
// changes nothing else.
func TestEventsReplayToTheResult(t *testing.T) {
	m := models(t)[0]
	rapid.Check(t, func(t *rapid.T) {
		o, decider, docs := drawOptions(t), drawDecider(t), []*Document{drawDocument(t, 30), drawDocument(t, 30)}
		plain, err := decodeAll(t.Context(), mustEngine(t, m, o), decider, docs)
		if err != nil {
			t.Fatal(err)
		}
		o.Trace = true
		traced, err := decodeAll(t.Context(), mustEngine(t, m, o), decider, docs)
		if err != nil {
			t.Fatal(err)
		}
		sameResults(t, "traced", traced, plain)
		for i, r := range traced {
			if plain[i].Events != nil {
				t.Fatal("events that nobody asked for")
			}
			replay(t, r)
		}
	})
}

// replay holds the events of a result to what they mean.
func replay(t fataler, r *Result) {
	canvas := r.Document.Canvas
	tokens, blank := slices.Clone(canvas.Tokens), slices.Clone(canvas.Blank)
	blanks := len(canvas.Blanks())
	if most := 2*blanks + 4*strategy.Budget(blanks); len(r.Events) > most {
		t.Fatalf("%d events of %d blanks, want at most %d", len(r.Events), blanks, most)
	}
	step, reopened := int32(0), 0
	for i, e := range r.Events {
		if e.Step < step || int(e.Step) >= r.Steps {
			t.Fatalf("event %d, %+v, after step %d of %d", i, e, step, r.Steps)
		}
		step = e.Step
		p := e.Position
		filled := e.Kind == Reopened || e.Kind == Checked
		if blank[p] == filled || filled && (tokens[p] != e.Token || !canvas.Blank[p]) || (e.Group >= 0) != (e.Kind <= Accepted) {
			t.Fatalf("event %d, %+v: blank %v, token %d", i, e, blank[p], tokens[p])
		}
		switch e.Kind {
		case Committed, Accepted:
			tokens[p], blank[p] = e.Token, false
		case Refused:
			if next := r.Events[i+1]; next.Kind != Committed || next.Position != p || next.Step != e.Step {
				t.Fatalf("%+v is followed by %+v", e, next)
			}
		case Reopened:
			tokens[p], blank[p] = canvas.Tokens[p], true
			reopened++
		}
		if r.Reopened == 0 && e.Kind <= Accepted && (r.Order[p] != e.Group || r.LogProb[p] != e.LogProb) {
			t.Fatalf("%+v, but position %d has group %d and log-probability %v", e, p, r.Order[p], r.LogProb[p])
		}
	}
	if reopened != r.Reopened || !slices.Equal(tokens, r.Tokens) {
		t.Fatalf("replayed %v with %d reopened, want %v with %d", tokens, reopened, r.Tokens, r.Reopened)
	}
}

// A draft whose tokens do not all stay tells which did not, and how many were dropped.
func TestEventsOfDrafts(t *testing.T) {
	o := DefaultOptions()
	o.Trace = true
	e := newEngine(t, models(t)[0], o)
	s := newSession(t, e, "1_____2")
	defer s.Close()
	s.Want(nil, 5)
	propose(t, e, s)
	first := s.proposal[0].Token
	wrong := make([]int32, 5)
	for i, p := range s.proposal {
		wrong[i] = (p.Token + 1) % vocab
	}
	wrong[0] = strategy.KeepToken
	if err := s.Verify([]int32{1, 2, 3, 4, 5}, wrong); err != nil {
		t.Fatal(err)
	}
	propose(t, e, s)
	var kinds []EventKind
	for _, e := range s.events {
		kinds = append(kinds, e.Kind)
	}
	last := s.events[len(s.events)-2]
	if s.events[0].Kind != Accepted || s.events[0].Token != first || last.Kind != Refused || last.Position+last.Dropped != 5 {
		t.Fatalf("kinds %v, first %+v, last refused %+v", kinds, s.events[0], last)
	}
}

// Without a trace nothing is remembered: steps of planners allocate nothing (see
// TestStepsDoNotAllocate), nor do the notes of what other strategies do.
func TestNotesOffAllocateNothing(t *testing.T) {
	for _, trace := range []bool{false, true} {
		o := DefaultOptions()
		o.Trace = trace
		canvas := seq.NewCanvas(1)
		canvas.AppendBlank(4)
		s, err := newEngine(t, models(t)[0], o).NewSession(&Document{Canvas: canvas})
		if err != nil {
			t.Fatal(err)
		}
		s.draft.position, s.draft.token = []int32{1}, []int32{2}
		group := []chosen{{position: 1, token: 2}}
		n := testing.AllocsPerRun(100, func() {
			s.events = nil
			s.noteGroup(Committed, group)
			s.noteRefused(0)
			s.noteLater(Checked, 1, -1)
		})
		if (n > 0) != trace {
			t.Errorf("trace %v: %v allocations", trace, n)
		}
		s.Close()
	}
}
