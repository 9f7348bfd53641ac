package model

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Finite differences of the whole network's loss, for every tensor. The loss is that of
// the float32 network, whose rounding limits what can be seen: about 1e-6 a row. With
// differences of fourth order the step can be large enough to drown it.
const (
	diffStep = 0.00125
	diffTol  = 1e-3
)

func TestGradientByFiniteDifferences(t *testing.T) {
	eachFloat32(t, func(t *testing.T, m *Model) {
		checkGradient(t, m, pack(mixed(m.Config.Vocab)...))
	})
}

// checkGradient compares the gradient of every tensor with differences of the batch's loss.
func checkGradient(t *testing.T, m *Model, b *Batch) {
	ws := m.NewWorkspace()
	var total float64
	for _, w := range b.Weight {
		total += float64(w)
	}
	grads, nll, weight := gradientOf(ws, 1/total, b)
	if math.Abs(weight-total) > 1e-9 {
		t.Fatalf("sum of weights %v, want %v", weight, total)
	}
	loss := func() float64 {
		m.Pack()
		var sum float64
		for i, lp := range ws.LogProbs(b) {
			sum -= float64(b.Weight[i]) * lp
		}
		return sum / total
	}
	if got := loss(); math.Abs(got-nll/total) > 1e-12 {
		t.Fatalf("LogProbs gives a loss of %v, LossGrad %v", got, nll/total)
	}
	rng := rand.New(rand.NewPCG(31, 32))
	for i, tensor := range m.Params.Tensors {
		g := grads.Tensors[i].Data
		largest := 0
		for j := range g {
			if math.Abs(float64(g[j])) > math.Abs(float64(g[largest])) {
				largest = j
			}
		}
		size := math.Abs(float64(g[largest]))
		if size < 5*diffTol {
			t.Errorf("%s: the largest gradient %.2g is too small for this test to see a fault", tensor.Name, size)
		}
		// The largest element, others at random, and the tensor as a whole in a
		// random direction of signs that follow the gradient: there the derivative
		// is the sum of the gradient's magnitudes, and no element can hide.
		for _, j := range []int{largest, rng.IntN(len(g)), rng.IntN(len(g))} {
			direction := make([]float32, len(g))
			direction[j] = 1
			checkSlope(t, tensor, g, direction, loss)
		}
		var norm float64
		for _, v := range g {
			norm += float64(v) * float64(v)
		}
		along := make([]float32, len(g))
		for j, v := range g {
			along[j] = float32(float64(v) / math.Sqrt(norm))
		}
		checkSlope(t, tensor, g, along, loss)
	}
}

// checkSlope compares the gradient's slope in a direction with that of the loss.
func checkSlope(t *testing.T, tensor Tensor, grad, direction []float32, loss func() float64) {
	t.Helper()
	var want float64
	for i, d := range direction {
		want += float64(d) * float64(grad[i])
	}
	before := append([]float32(nil), tensor.Data...)
	at := func(step float32) float64 {
		for i, d := range direction {
			tensor.Data[i] = before[i] + step*d
		}
		return loss()
	}
	const h = diffStep
	got := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
	copy(tensor.Data, before)
	if !(math.Abs(got-want) <= diffTol*(1+math.Abs(want))) {
		t.Errorf("%s: slope of the gradient %.6f, of the loss %.6f", tensor.Name, want, got)
	}
}

// A shard adds to what those before it left, and the scale is a factor.
func TestShardsAdd(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		b, ws := pack(segments(m.Config.Vocab)...), m.NewWorkspace()
		once, _, _ := gradientOf(ws, 1, b)
		twice, _, _ := gradientOf(ws, 0.5, b, b)
		for i, want := range once.Flat {
			if got := twice.Flat[i]; math.Abs(float64(got-want)) > 1e-4*(1+math.Abs(float64(want))) {
				t.Fatalf("element %d: %v in two parts, %v at once", i, got, want)
			}
		}
	})
}

// The pad token's embedding gets no gradient of its lookup.
func TestPadTokenHasNoGradient(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		if m.Config.Tied {
			return // the head's gradient falls on the same row
		}
		b := pack(segments(m.Config.Vocab)...)
		pad := b.Token[3]
		grads, _, _ := gradientOf(m.NewWorkspace(), 1, b)
		if norm(grads.Embed.Row(int(pad))) == 0 {
			t.Fatal("the token has no gradient that could vanish")
		}
		m.Config.PadToken = pad
		padded, _, _ := gradientOf(m.NewWorkspace(), 1, b)
		if n := norm(padded.Embed.Row(int(pad))); n != 0 {
			t.Errorf("the pad token's gradient has norm %v", n)
		}
	})
}

func norm(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
