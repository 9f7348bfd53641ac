package models_test

import (
	"path/filepath"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

func TestLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	if err := modelstest.Write(dir, 1); err != nil {
		t.Fatal(err)
	}
	l, err := models.Load(t.Context(), dir, kernels.Best(), kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != dir || l.Given != order.GivenCausal || l.Model.Config.Vocab != l.Tokenizer.Vocab() || l.Card == "" {
		t.Errorf("loaded %+v", l)
	}
	other := filepath.Join(t.TempDir(), "model")
	if err := modelstest.Write(other, 2); err != nil {
		t.Fatal(err)
	}
	o, err := models.Load(t.Context(), other, kernels.Best(), kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	if o.Digest == l.Digest {
		t.Error("two models have one digest")
	}
}

// The model in the program is whole. What it says is its own business.
func TestEmbedded(t *testing.T) {
	l, err := models.Load(t.Context(), "", kernels.Best(), kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != models.Embedded || l.Model.Config.Vocab != l.Tokenizer.Vocab() || l.Card == "" {
		t.Errorf("loaded %s, vocabulary %d of %d", l.Name, l.Tokenizer.Vocab(), l.Model.Config.Vocab)
	}
	if _, ok := l.Tokenizer.BOS(); !ok {
		t.Error("its tokenizer has no BOS")
	}
}
