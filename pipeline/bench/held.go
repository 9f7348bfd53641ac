package bench

import (
	"runtime"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
)

// heldBy is what a job holds, in bytes; what is zero does not apply.
type heldBy struct {
	heap        int // measured
	weights     int // of the network, for training with their master copy
	kv          int // keys and values of a document of full length
	activations int // that training keeps for a position
}

// held reports what a job of the given name holds.
func held(emit func(Result), name string, threads int, h heldBy) {
	for _, part := range []struct {
		what  string
		bytes int
		unit  string
		scale float64
	}{{"heap", h.heap, "MB", 1e6}, {"weights", h.weights, "MB", 1e6}, {"kv", h.kv, "MB", 1e6}, {"activations", h.activations, "kB", 1e3}} {
		if part.bytes > 0 {
			emit(Result{name + "/" + part.what, threads, float64(part.bytes) / part.scale, part.unit})
		}
	}
}

// heap returns the bytes of all objects that are in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// activations returns what the backward pass needs of a position's forward pass: of its
// content row and its query row, in each layer, the input and the middle [H] in float32,
// and in the type of rows the queries and attention's output [Q], gate and up [F].
func activations(c *model.Config, t kernels.Type) int {
	element := 4
	if t.RowType() == kernels.BF16 {
		element = 2
	}
	return 2 * c.Layers * 2 * (4*c.Hidden + element*(c.Heads*c.HeadDim+c.FFN))
}
