package model

import (
	"sync"

	"github.com/any-order/a3/core/kernels"
)

// Gradient sums the gradients of a step's shards into one buffer. For each tensor the
// shards add in ascending order, whoever computes them: what shard i adds to a tensor
// waits for shard i-1. Since all shards walk the network in the same order they follow
// each other like the stages of a pipeline, and nobody waits long.
type Gradient struct {
	Params *Params // the sum, after Finish

	lookups kernels.Mat // [V, H] of the embeddings as they are looked up; Params.Embed itself if the head is not tied to it; empty if they are frozen
	tied    bool
	turns   []turn
}

// turn is a place where shards add in order.
type turn struct {
	mu   sync.Mutex
	cond sync.Cond
	next int // shard whose turn it is
}

// The turns of a step: the final norm, the embeddings, two parts of each layer, and a
// chunk each of the head.
const (
	turnNorm = iota
	turnEmbed
	turnLayers
)

// NewGradient returns a gradient buffer for the model.
func (m *Model) NewGradient() *Gradient {
	c := &m.Config
	g := &Gradient{Params: m.NewParams()}
	g.lookups = g.Params.Embed
	if g.tied = c.Tied && g.lookups.Data != nil; g.tied { // the head adds to the same tensor first, and in an order of its own
		g.lookups = kernels.NewMat(kernels.Aligned(c.Vocab*c.Hidden), c.Vocab, c.Hidden)
	}
	g.turns = make([]turn, turnLayers+2*c.Layers+len(m.w.headBack))
	for i := range g.turns {
		g.turns[i].cond.L = &g.turns[i].mu
	}
	g.Reset()
	return g
}

// Reset begins a step: its first shard is 0.
func (g *Gradient) Reset() {
	for i := range g.turns {
		g.turns[i].next = 0
	}
	// Matrices are overwritten by the first shard.
	clear(g.lookups.Data)
	clear(g.Params.Query)
	clear(g.Params.Norm)
	for _, l := range g.Params.Layers {
		clear(l.NormIn)
		clear(l.NormPost)
	}
}

// Finish completes the sum, after the last shard.
func (g *Gradient) Finish(k *kernels.Kernels) {
	if g.tied {
		k.Axpy(g.Params.Embed.Data, g.lookups.Data, 1)
	}
}

// inTurn calls add when all shards before have passed this turn.
func (g *Gradient) inTurn(i, shard int, add func()) {
	t := &g.turns[i]
	t.mu.Lock()
	for t.next != shard {
		t.cond.Wait()
	}
	t.mu.Unlock()
	add()
	t.mu.Lock()
	t.next++
	t.mu.Unlock()
	t.cond.Broadcast()
}

// addNorm adds the gradient of a norm's weights, if they are trained.
func addNorm(k *kernels.Kernels, sum, dweight []float32) {
	if sum != nil {
		k.Axpy(sum, dweight, 1)
	}
}
