package train

import (
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

// pieceLen is how many parameters a thread takes at a time, and normBlock how many
// squares of gradients are summed in float32.
const (
	pieceLen  = 1 << 16
	normBlock = 1 << 10
)

// piece is a part of a tensor that one thread updates.
type piece struct {
	from, to int // of Params.Flat
	norm     bool
}

// pieces cuts the tensors, which lie behind each other, into pieces.
func pieces(p *model.Params) (out []piece) {
	at := 0
	for _, t := range p.Tensors {
		for end := at + len(t.Data); at < end; {
			to := min(at+pieceLen, end)
			out = append(out, piece{at, to, t.IsNorm()})
			at = to
		}
	}
	return out
}
