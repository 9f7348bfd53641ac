package decode

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/any-order/a3/core/internal/oracle"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// goldenRun is a greedy decoding run of the published code.
type goldenRun struct {
	Params struct {
		MaxLength   int     `json:"max_length"`
		StepSize    int     `json:"step_size"`
		Criterion   string  `json:"criterion"`
		Temperature float64 `json:"temperature"`
		TopK        int     `json:"top_k"`
		TopP        float64 `json:"top_p"`
		EOS         *int32  `json:"eos_token_id"`
		PAD         int32   `json:"pad_token_id"`
	} `json:"params"`
	Input  [][]int32 `json:"input_ids"`
	Groups [][]int32 `json:"group_ids"`
	Output [][]int32 `json:"output_ids"`
	Calls  int       `json:"num_forward_calls"`
	Steps  []struct {
		Commits [][]struct {
			Pos   int32   `json:"pos"`
			Token int32   `json:"token"`
			Score float64 `json:"score"`
		} `json:"commits"`
	} `json:"steps"`
}

func TestOracleDecoding(t *testing.T) {
	set := oracle.Open(t)
	for _, level := range kernels.Levels() {
		t.Run(string(level), func(t *testing.T) {
			k, err := kernels.Open(level)
			if err != nil {
				t.Fatal(err)
			}
			worst := &oracle.Worst{}
			set.Each(t, func(t *testing.T, c oracle.Case) {
				var g goldenRun
				oracle.ReadJSON(t, filepath.Join(set.Dir, c.Dir, "case.json"), &g)
				o := DefaultOptions()
				o.Given, o.Threads = order.GivenGroup, 2
				if p := g.Params; c.Kind == "dynamic" {
					o.Regroup, o.Temperature, o.TopK, o.TopP = RegroupPublished, p.Temperature, p.TopK, p.TopP
				}
				if g.Params.EOS != nil {
					o.StopAt = *g.Params.EOS
				}
				e, err := New(set.Load(t, c, k), o)
				if err != nil {
					t.Fatal(err)
				}
				g.replay(t, e, c.Kind == "dynamic", worst)
			}, "two_stream", "dynamic")
			t.Logf("decoding: tokens and steps equal; scores: %v", worst)
		})
	}
}

// replay decodes the run's rows step by step, as the published loops do, and compares
// every commit.
func (g *goldenRun) replay(t *testing.T, e *Engine, dynamic bool, worst *oracle.Worst) {
	sessions := make([]*Session, len(g.Input))
	for r, ids := range g.Input {
		canvas := &seq.Canvas{}
		for i, id := range ids {
			if dynamic && id == g.Params.PAD || !dynamic && g.Groups[r][i] != 0 {
				canvas.AppendBlank(1)
			} else {
				canvas.AppendKnown(id)
			}
		}
		if dynamic && canvas.Len() < g.Params.MaxLength {
			canvas.AppendBlank(g.Params.MaxLength - canvas.Len())
		}
		s, err := e.NewSession(&Document{Canvas: canvas})
		if err != nil {
			t.Fatal(err)
		}
		sessions[r] = s
	}
	step := 0
	for ; ; step++ {
		turns := g.turns(sessions, dynamic, step)
		if turns == nil {
			break
		}
		if step >= len(g.Steps) {
			t.Fatalf("step %d: the published run has only %d", step, len(g.Steps))
		}
		var active []*Session
		for r, s := range sessions {
			if len(turns[r]) > 0 {
				s.Want(turns[r], 0)
				active = append(active, s)
			}
		}
		if err := e.Propose(t.Context(), active, strategy.ColumnAll); err != nil {
			t.Fatal(err)
		}
		for r, s := range sessions {
			if len(turns[r]) > 0 {
				g.commit(t, s, dynamic, step, r, worst)
			} else if n := len(g.Steps[step].Commits[r]); n > 0 {
				t.Fatalf("step %d row %d: the published run commits %d", step, r, n)
			}
		}
	}
	if step != len(g.Steps) || step != g.Calls {
		t.Fatalf("%d steps, want %d and %d calls", step, len(g.Steps), g.Calls)
	}
	for r, s := range sessions {
		for p, want := range g.Output[r] {
			got := s.tokens[p]
			if s.blank[p] {
				got = g.Params.PAD
			}
			if got != want {
				t.Fatalf("row %d position %d: token %d, want %d", r, p, got, want)
			}
		}
	}
}

// turns returns the positions to propose for each row, nil when the run is over.
func (g *goldenRun) turns(sessions []*Session, dynamic bool, step int) [][]int32 {
	active := false
	turns := make([][]int32, len(sessions))
	var ids []int32 // of groups still to come, over the batch
	for r := range g.Groups {
		ids = append(ids, g.Groups[r]...)
	}
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id int32) bool { return id == 0 })
	if !dynamic && step >= len(ids) {
		return nil
	}
	for r, s := range sessions {
		if s.stopped() || dynamic && s.Done() {
			continue
		}
		active = true
		for p, blank := range s.blank {
			if dynamic && blank || !dynamic && g.Groups[r][p] == ids[step] {
				turns[r] = append(turns[r], int32(p))
			}
		}
	}
	if !active {
		return nil
	}
	return turns
}

func (g *goldenRun) commit(t *testing.T, s *Session, dynamic bool, step, r int, worst *oracle.Worst) {
	t.Helper()
	chosen := slices.Clone(s.Proposal())
	score := func(p Proposal) float64 {
		if g.Params.Criterion == "entropy" {
			return -float64(p.Entropy)
		}
		return float64(p.MaxProb)
	}
	if dynamic {
		slices.SortStableFunc(chosen, func(a, b Proposal) int {
			switch {
			case score(a) > score(b):
				return -1
			case score(a) < score(b):
				return 1
			}
			return 0
		})
		chosen = chosen[:min(g.Params.StepSize, len(chosen))]
	}
	want := g.Steps[step].Commits[r]
	if len(chosen) != len(want) {
		t.Fatalf("step %d row %d: %d commits, want %d", step, r, len(chosen), len(want))
	}
	var positions []int32
	for _, w := range want {
		i := slices.IndexFunc(chosen, func(p Proposal) bool { return p.Position == w.Pos })
		if i < 0 || chosen[i].Token != w.Token {
			t.Fatalf("step %d row %d: want token %d at %d, got %+v", step, r, w.Token, w.Pos, chosen)
		}
		if dynamic {
			oracle.Compare(t, worst, "score", []float64{score(chosen[i])}, []float64{w.Score}, 1e-4)
		}
		positions = append(positions, w.Pos)
	}
	if err := s.Commit(positions, nil); err != nil {
		t.Fatal(err)
	}
}

func TestOracleFilters(t *testing.T) {
	set := oracle.Open(t)
	var g struct {
		Atol float64
		Rows []struct {
			Logits      []float32
			Temperature float64
			TopK        int     `json:"top_k"`
			TopP        float64 `json:"top_p"`
			Probs       []float64
			Confidence  float64
			NegEntropy  float64 `json:"neg_entropy"`
		}
	}
	oracle.ReadJSON(t, filepath.Join(set.Dir, "filters", "filters.json"), &g)
	if len(g.Rows) == 0 {
		t.Fatal("no rows")
	}
	for _, level := range kernels.Levels() {
		k, err := kernels.Open(level)
		if err != nil {
			t.Fatal(err)
		}
		worst := &oracle.Worst{}
		s := &sampler{k: k}
		for _, row := range g.Rows {
			probs := s.filtered(row.Logits, &Options{Temperature: row.Temperature, TopK: row.TopK, TopP: row.TopP})
			oracle.Compare(t, worst, "probs", probs, row.Probs, g.Atol)
			top, _ := twoLargest(probs)
			oracle.Compare(t, worst, "confidence", []float32{top}, []float64{row.Confidence}, g.Atol)
			oracle.Compare(t, worst, "entropy", []float64{-entropy(probs, 1)}, []float64{row.NegEntropy}, g.Atol)
		}
		t.Logf("%s filters: %v", level, worst)
	}
}
