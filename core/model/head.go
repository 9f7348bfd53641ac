package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// headChunk is how many tokens of the vocabulary exist as logits at a time, for at most
// blockRows rows: they stay in the second-level cache.
const headChunk = 512

// HeadRows is how many rows the head should be asked for at a time.
const HeadRows = blockRows

// Chunks returns in how many chunks the head computes the logits of the vocabulary.
func (c *Config) Chunks() int { return (c.Vocab + headChunk - 1) / headChunk }

// ChunkOf returns the chunk that holds a token, and its first token.
func (c *Config) ChunkOf(token int) (chunk, first int) {
	chunk = token / headChunk
	return chunk, chunk * headChunk
}

// Chunk computes the logits of final query rows for the tokens of one chunk, from first.
// They are valid until the workspace is used again, and may be overwritten. A row's
// logits do not depend on the others, nor on the workspace.
func (ws *Workspace) Chunk(final kernels.Rows, chunk int) (logits kernels.Mat, first int) {
	first = chunk * headChunk
	last := min(first+headChunk, ws.m.Config.Vocab)
	logits = growMat(&ws.logits, final.N, last-first)
	head := ws.m.w.head.Columns(first, last)
	ws.m.k.Mul(logits, final, &head, false, &ws.s)
	return logits, first
}

// Softmax is the denominator of a softmax over the vocabulary: the largest logit and the
// sum of exp(logit - Max), gathered chunk by chunk in ascending order.
type Softmax struct{ Max, Sum float64 }

// NewSoftmax returns the denominator before the first chunk.
func NewSoftmax() Softmax { return Softmax{Max: math.Inf(-1)} }

// Add adds a chunk's largest logit and sum of exp(logit - most).
func (s *Softmax) Add(most, sum float32) {
	if d := float64(most) - s.Max; !(d <= 0) { // also a NaN, which stays
		s.Sum = s.Sum*math.Exp(-d) + float64(sum)
		s.Max = float64(most)
	} else {
		s.Sum += float64(sum) * math.Exp(d)
	}
}

// Log returns the logarithm of the sum of exp(logit): a token's log-probability is its
// logit minus this.
func (s Softmax) Log() float64 { return s.Max + math.Log(s.Sum) }

// LogProb returns the log-probability of a token for row r of final query rows, with the
// bits of LogProbs.
func (ws *Workspace) LogProb(final kernels.Rows, r int, token int32) float64 {
	row, sum, logit := final.Slice(r, r+1), NewSoftmax(), 0.0
	for i := range ws.m.Config.Chunks() {
		logits, first := ws.Chunk(row, i)
		x := logits.Row(0)
		if t := int(token) - first; t >= 0 && t < len(x) {
			logit = float64(x[t])
		}
		most := ws.m.k.Max(x)
		sum.Add(most, ws.m.k.ExpSum(x, x, most))
	}
	return logit - sum.Log()
}
