package model_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/internal/oracle"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
)

type tolerance struct {
	InF64 bool    `json:"in_f64_file"`
	Atol  float64 `json:"atol_f32"`
}

type goldenCase struct {
	Expected map[string]tolerance `json:"expected"`
	Grads    map[string]tolerance `json:"grads"`
	GradsF64 bool                 `json:"has_grads_f64"`
}

// golden is a forward-and-backward case with its inputs.
type golden struct {
	dir                          string
	goldenCase                   goldenCase
	batch, seq                   int
	ids, groups, labels, attend  []int32 // [B,S]
	expected32, expected64       oracle.Tensors
	contentVisible, queryVisible []int32
	groupValues, groupCounts     []int32
	slots                        int
}

func openGolden(t *testing.T, set *oracle.Set, c oracle.Case) *golden {
	g := &golden{dir: filepath.Join(set.Dir, c.Dir)}
	oracle.ReadJSON(t, filepath.Join(g.dir, "case.json"), &g.goldenCase)
	in := oracle.OpenTensors(t, filepath.Join(g.dir, "inputs.safetensors"))
	var shape []int
	g.ids, shape = in.Ints(t, "input_ids")
	g.batch, g.seq = shape[0], shape[1]
	g.groups, _ = in.Ints(t, "group_ids")
	g.labels, _ = in.Ints(t, "labels")
	g.attend, _ = in.Ints(t, "attention_mask")
	g.contentVisible, _ = in.Ints(t, "content_visible")
	g.queryVisible, _ = in.Ints(t, "query_visible")
	g.groupValues, shape = in.Ints(t, "group_values")
	g.slots = shape[1]
	g.groupCounts, _ = in.Ints(t, "group_counts")
	g.expected32 = oracle.OpenTensors(t, filepath.Join(g.dir, "expected_f32.safetensors"))
	g.expected64 = oracle.OpenTensors(t, filepath.Join(g.dir, "expected_f64.safetensors"))
	return g
}

// rows builds the batch that asks for every row of both streams, padding included. at
// maps a batch row to its place in the [B,S] tensors.
func (g *golden) rows() (b *model.Batch, contentAt, queryAt []int) {
	b = &model.Batch{WantContent: true}
	for r := range g.batch {
		// Keys in generation order, then padding, which sees but is not seen.
		var keys, padding []int
		for s := range g.seq {
			if g.attend[r*g.seq+s] != 0 {
				keys = append(keys, r*g.seq+s)
			} else {
				padding = append(padding, r*g.seq+s)
			}
		}
		slices.SortStableFunc(keys, func(i, j int) int { return int(g.groups[i]) - int(g.groups[j]) })
		seen := func(i int, own bool) (n int32) {
			for _, j := range keys {
				if g.groups[j] < g.groups[i] || own && g.groups[j] == g.groups[i] {
					n++
				}
			}
			return n
		}
		for _, i := range append(slices.Clone(keys), padding...) {
			contentAt = append(contentAt, i)
			b.Token = append(b.Token, g.ids[i])
			b.ContentPos = append(b.ContentPos, int32(i-r*g.seq))
			b.ContentEnd = append(b.ContentEnd, seen(i, true))
		}
		for i := r * g.seq; i < (r+1)*g.seq; i++ {
			queryAt = append(queryAt, i)
			b.QueryPos = append(b.QueryPos, int32(i-r*g.seq))
			b.QueryEnd = append(b.QueryEnd, seen(i, false))
			target, weight := g.labels[i], float32(1)
			if target == -100 {
				target, weight = g.ids[i], 0
			}
			b.Target = append(b.Target, target)
			b.Weight = append(b.Weight, weight)
		}
		b.Segments = append(b.Segments, model.Segment{Content: g.seq, Keys: len(keys), Query: g.seq})
	}
	return b, contentAt, queryAt
}

// want returns an expected tensor at the best precision there is.
func (g *golden) want(t *testing.T, name string) []float64 {
	file := g.expected32
	if g.goldenCase.Expected[name].InF64 {
		file = g.expected64
	}
	values, _ := file.Floats(t, name)
	return values
}

func (g *golden) compare(t *testing.T, w *oracle.Worst, name string, got []float32) {
	t.Helper()
	tol, ok := g.goldenCase.Expected[name]
	if !ok {
		t.Fatalf("%s: the case expects no such tensor", name)
	}
	oracle.Compare(t, w, name, got, g.want(t, name), tol.Atol)
}

// place scatters batch rows to their places in a [B,S,width] tensor.
func place(dst []float32, rows kernels.Mat, at []int) []float32 {
	for r, i := range at {
		copy(dst[i*rows.Cols:], rows.Row(r))
	}
	return dst
}

func TestOracleForwardBackward(t *testing.T) {
	set := oracle.Open(t)
	for _, level := range kernels.Levels() {
		t.Run(string(level), func(t *testing.T) {
			k, err := kernels.Open(level)
			if err != nil {
				t.Fatal(err)
			}
			forward, gradient := &oracle.Worst{}, &oracle.Worst{}
			set.Each(t, func(t *testing.T, c oracle.Case) {
				g := openGolden(t, set, c)
				m := set.Load(t, c, k)
				checkRope(t, g, m, forward)
				checkForward(t, g, m, forward)
				checkGradients(t, g, m, gradient)
			}, "forward_backward")
			t.Logf("forward: %v", forward)
			t.Logf("gradients: %v", gradient)
		})
	}
}

func checkRope(t *testing.T, g *golden, m *model.Model, worst *oracle.Worst) {
	if want := g.want(t, "rope.inv_freq"); true {
		oracle.Compare(t, worst, "rope.inv_freq", m.RopeFreq(), want, g.goldenCase.Expected["rope.inv_freq"].Atol)
	}
	half := m.Config.HeadDim / 2
	cos, sin := m.RopeTables(g.seq)
	double := func(x []float32) []float32 {
		var out []float32
		for i := 0; i < len(x); i += half {
			out = append(append(out, x[i:i+half]...), x[i:i+half]...)
		}
		return out
	}
	g.compare(t, worst, "rope.cos", double(cos))
	g.compare(t, worst, "rope.sin", double(sin))
}

func checkForward(t *testing.T, g *golden, m *model.Model, worst *oracle.Worst) {
	c := &m.Config
	b, contentAt, queryAt := g.rows()
	checkVisible(t, g, b, contentAt, queryAt)
	layers, normed, logits := m.NewWorkspace().RunAll(b)
	content, query := b.Rows()
	size := g.batch * g.seq
	check := func(prefix string, rows kernels.Mat) {
		t.Helper()
		g.compare(t, worst, prefix+".content", place(make([]float32, size*c.Hidden), rows.RowsOf(0, content), contentAt))
		g.compare(t, worst, prefix+".query", place(make([]float32, size*c.Hidden), rows.RowsOf(content, content+query), queryAt))
	}
	for l, rows := range layers {
		check(fmt.Sprintf("layer.%d", l), rows)
	}
	check("final", normed)
	g.compare(t, worst, "logits", place(make([]float32, size*c.Vocab), logits, queryAt))

	// Scores of the inputs themselves: per token, group and sequence.
	copy(b.Target, g.ids)
	logprob := m.NewWorkspace().LogProbs(b)
	got := make([]float32, size)
	groups, rows := make([]float32, g.batch*g.slots), make([]float32, g.batch)
	for i, lp := range logprob {
		got[i] = float32(lp)
		r := i / g.seq
		if g.attend[i] == 0 {
			continue
		}
		rows[r] += float32(lp)
		for s := range g.slots {
			if g.groupCounts[r*g.slots+s] > 0 && g.groupValues[r*g.slots+s] == g.groups[i] {
				groups[r*g.slots+s] += float32(lp)
			}
		}
	}
	g.compare(t, worst, "token_logprob", got)
	g.compare(t, worst, "group_loglik", groups)
	g.compare(t, worst, "seq_loglik", rows)
}

// checkVisible compares the prefixes of the order trick with the published masks.
func checkVisible(t *testing.T, g *golden, b *model.Batch, contentAt, queryAt []int) {
	sees := func(visible []int32, row, end int) {
		t.Helper()
		r := row / g.seq
		seen := make(map[int]bool)
		for _, j := range contentAt[r*g.seq:][:end] {
			seen[j-r*g.seq] = true
		}
		for j := range g.seq {
			if got, want := seen[j], visible[row*g.seq+j] != 0; got != want {
				t.Fatalf("row %d sees key %d: %v, want %v", row, j, got, want)
			}
		}
	}
	for i, row := range contentAt {
		sees(g.contentVisible, row, int(b.ContentEnd[i]))
	}
	for i, row := range queryAt {
		sees(g.queryVisible, row, int(b.QueryEnd[i]))
	}
}

func checkGradients(t *testing.T, g *golden, m *model.Model, worst *oracle.Worst) {
	b, _, _ := g.rows()
	b.WantContent = false // nothing of the loss reads the last content rows
	var total float64
	for _, w := range b.Weight {
		total += float64(w)
	}
	gradient := m.NewGradient()
	nll, weight := m.NewWorkspace().LossGrad(b, gradient, 0, 1/total)
	gradient.Finish(m.Kernels())
	grads := gradient.Params
	g.compare(t, worst, "loss", []float32{float32(nll / weight)})

	file := "grads_f32.safetensors"
	if g.goldenCase.GradsF64 {
		file = "grads_f64.safetensors"
	}
	want := oracle.OpenTensors(t, filepath.Join(g.dir, file))
	if len(grads.Tensors) != len(g.goldenCase.Grads) {
		t.Fatalf("%d gradients, the case has %d", len(grads.Tensors), len(g.goldenCase.Grads))
	}
	for _, tensor := range grads.Tensors {
		values, _ := want.Floats(t, tensor.Name)
		atol := g.goldenCase.Grads[tensor.Name].Atol
		if atol == 0 && slices.ContainsFunc(values, func(v float64) bool { return v != 0 }) {
			t.Fatalf("%s has no tolerance", tensor.Name)
		}
		if atol == 0 { // parameters without influence: exactly zero
			for i, v := range tensor.Data {
				if v != 0 {
					t.Fatalf("gradient of %s element %d is %v, want exactly 0", tensor.Name, i, v)
				}
			}
			continue
		}
		oracle.Compare(t, worst, "grad "+strings.TrimPrefix(tensor.Name, "model."), tensor.Data, values, atol)
	}
}
