package sdktest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func TestMain(m *testing.M) { Main(m, newWild, wildInfo()) }

// TestEverything holds a strategy that uses all of the contract to the suite: in process,
// over gRPC and as a process.
func TestEverything(t *testing.T) { Run(t, newWild, wildInfo(), "") }

func wildInfo() sdk.Info {
	return sdk.Info{Name: "wild", Version: "1", Doc: "Does everything that the contract allows."}
}

// wild chooses by the document's key, what it reads and a state that counts.
type wild struct {
	words [][]byte
	docs  map[uint64]strategy.Document
}

func newWild(sdk.Params) (sdk.Instance, error) {
	return &wild{docs: make(map[uint64]strategy.Document)}, nil
}

func (*wild) Spec() strategy.Spec {
	return strategy.Spec{Name: "wild", Columns: strategy.ColumnAll, Top: 2, Window: 12, Text: true}
}

func (w *wild) Read(vocabulary [][]byte) error {
	w.words = vocabulary
	if len(w.words) != vocab {
		return errors.New("the vocabulary is another one")
	}
	return nil
}

func (w *wild) Begin(_ context.Context, docs []strategy.Document) error {
	for _, d := range docs {
		d.Open = slices.Clone(d.Open)
		w.docs[d.ID] = d
	}
	return nil
}

func (w *wild) End(_ context.Context, ids []uint64) error {
	for _, id := range ids {
		delete(w.docs, id)
	}
	return nil
}

func (w *wild) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	dec := &strategy.Decision{}
	for d, id := range obs.Doc {
		dec.Append(w.choose(obs, d, w.docs[id]))
	}
	return dec, nil
}

func (w *wild) choose(obs *strategy.Observation, d int, doc strategy.Document) (c strategy.Choice) {
	known := obs.Known[d]
	key := doc.Key.With(uint64(seq.PurposeOrder), uint64(obs.Step[d]), uint64(len(obs.StateOf(d))))
	for p, t := range known { // the words count, so that what is read must be the same everywhere
		if t >= 0 && len(w.words[t]) > 2 {
			key = key.With(uint64(p), uint64(w.words[t][1]))
		}
	}
	start, end := obs.Rows(d)
	key = key.With(uint64(obs.TopToken[2*start+1]), uint64(math.Float32bits(obs.TopLogProb[2*end-1])))
	key = key.With(uint64(obs.AcceptedOf(d)))
	switch key.Intn(0, 4) {
	case 0:
		c.State = append(slices.Clone(obs.StateOf(d)), 'x')
	case 1:
		c.State = []byte{}
	}
	rows := slices.Clone(obs.Position[start:end])
	seq.Shuffle(key, rows)
	some := rows[:1+key.Intn(1, len(rows))]
	var filled, open []int32
	for _, p := range doc.Open {
		if known[p] >= 0 {
			filled = append(filled, p)
		} else if !slices.Contains(some, p) {
			open = append(open, p)
		}
	}
	early := int(obs.Step[d]) < len(doc.Open)
	if obs.KindOf(d) == strategy.Checked {
		if early && key.Intn(2, 2) == 0 {
			c.Reopen = some[:1]
		}
		return c
	}
	switch kind := key.Intn(3, 8); {
	case kind < 2:
		c.Draft, c.Propose = some, open
		if kind == 0 {
			c.DraftToken = slices.Repeat([]int32{7}, len(some))
		}
		return c
	case kind == 2 && early && len(filled) > 0:
		c.Reopen = filled[:1]
	case kind == 3 && early:
		c.Check = some[:1]
	case kind == 4:
		c.Propose = open
		for _, p := range open {
			c.Bias = append(c.Bias, strategy.Bias{Position: p, Token: obs.TopToken[2*start], Value: float32(2 - 4*key.Intn(4, 2))})
		}
	}
	c.Commit = some
	return c
}
