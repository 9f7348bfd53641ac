package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
)

func TestInitQuery(t *testing.T) {
	c := tiny()
	scratch, p := NewParams(&c), NewParams(&c)
	scratch.Init(5, c.Layers)
	copy(p.Flat, scratch.Flat)
	for i := range p.Query {
		p.Query[i] = float32(math.NaN())
	}
	others := slices.Clone(p.Flat)
	mean := make([]float32, c.Hidden)
	for i := range mean {
		for r := range c.Vocab {
			mean[i] += p.Embed.Row(r)[i] / float32(c.Vocab)
		}
	}
	for how, want := range map[QueryInit][]float32{
		QueryRandom: scratch.Query,
		QueryZero:   make([]float32, c.Hidden),
		QueryMean:   mean,
		QueryBOS:    p.Embed.Row(2),
	} {
		if err := p.InitQuery(how, 5, 2); err != nil {
			t.Fatal(err)
		}
		for i, v := range p.Query {
			if math.Abs(float64(v-want[i])) > 1e-7 {
				t.Errorf("%s: element %d is %v, want %v", how, i, v, want[i])
			}
		}
	}
	copy(p.Query, others[len(p.Embed.Data):]) // NaN again
	sameBits(t, "all but the query embedding", p.Flat, others)

	for want, err := range map[string]error{
		`"modal" is not known; use random`: p.InitQuery("modal", 5, 2),
		"BOS is token 13, outside":         p.InitQuery(QueryBOS, 5, 13),
		"BOS is token -1, outside":         p.InitQuery(QueryBOS, 5, -1),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

// A plain Llama, whose checkpoint has no query embedding, can be trained but not read:
// nothing could be asked of it.
func TestLoadPlainLlama(t *testing.T) {
	c := tiny()
	m := filled(t, c, kernels.Best(), kernels.Float32)
	f := file(t, slices.Delete(m.Params.SafeTensors(), queryTensor, queryTensor+1))
	loaded, err := LoadTrainable(c, f, kernels.Best(), kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	clear(m.Params.Query)
	sameBits(t, "loaded", loaded.Params.Flat, m.Params.Flat)
	if _, err := Load(c, f, kernels.Best(), kernels.Float32); err == nil || !strings.Contains(err.Error(), QueryEmbed) {
		t.Errorf("a plain Llama to be read: %v", err)
	}
}
