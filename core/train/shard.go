package train

import (
	"sync"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
)

// shards deals the segments to at most n parts of like length; within a part they keep
// their order. It depends on the lengths alone.
func shards(segments []seq.Segment, n int) [][]seq.Segment {
	lengths := make([]int, len(segments))
	for i, s := range segments {
		lengths[i] = s.Len()
	}
	out := make([][]seq.Segment, min(n, len(segments)))
	for i, part := range parallel.Balance(lengths, len(out)) {
		out[part] = append(out[part], segments[i])
	}
	return out
}

// tree sums the gradients of the shards pairwise: shard 2i with 2i+1, then those sums
// in pairs, and so on. The shape is fixed by the number of shards, so the result does
// not depend on who finishes first; whoever completes a pair adds it up.
type tree struct {
	t      *Trainer
	leaves int
	mu     sync.Mutex
	done   map[node]*model.Params // complete nodes that wait for their sibling; under mu
}

// node is the i-th node of a level; level 0 holds the shards.
type node struct{ level, i int }

func newTree(leaves int, t *Trainer) *tree {
	return &tree{t: t, leaves: leaves, done: make(map[node]*model.Params)}
}

// add hands in the gradient of a shard.
func (tr *tree) add(shard int, grads *model.Params) {
	at := node{0, shard}
	for {
		width := (tr.leaves + 1<<at.level - 1) >> at.level // nodes of the level
		if width == 1 || at.i^1 >= width {                 // the root, or a node without a sibling
			if width == 1 {
				tr.mu.Lock()
				tr.done[at] = grads
				tr.mu.Unlock()
				return
			}
			at = node{at.level + 1, at.i / 2}
			continue
		}
		sibling := node{at.level, at.i ^ 1}
		tr.mu.Lock()
		other, ready := tr.done[sibling]
		if !ready {
			tr.done[at] = grads
			tr.mu.Unlock()
			return
		}
		delete(tr.done, sibling)
		tr.mu.Unlock()
		left, right := grads, other
		if at.i&1 == 1 {
			left, right = other, grads
		}
		tr.t.Model.Kernels().Axpy(left.Flat, right.Flat, 1)
		tr.t.release(right)
		grads, at = left, node{at.level + 1, at.i / 2}
	}
}

// root returns the sum of all shards.
func (tr *tree) root() *model.Params {
	for _, grads := range tr.done {
		return grads // only the root is left
	}
	panic("train: the tree has no root")
}

// drop releases what an interrupted step left.
func (tr *tree) drop() {
	for _, grads := range tr.done {
		tr.t.release(grads)
	}
}

// acquire returns a gradient of zeros.
func (t *Trainer) acquire() *model.Params {
	t.mu.Lock()
	n := len(t.free)
	if n == 0 {
		t.mu.Unlock()
		return model.NewParams(&t.Model.Config)
	}
	grads := t.free[n-1]
	t.free = t.free[:n-1]
	t.mu.Unlock()
	clear(grads.Flat)
	return grads
}

func (t *Trainer) release(grads *model.Params) {
	t.mu.Lock()
	t.free = append(t.free, grads)
	t.mu.Unlock()
}
