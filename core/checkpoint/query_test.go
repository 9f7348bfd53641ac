package checkpoint

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// The query embedding may have a file of its own, which other programs do not read.
func TestQueryFile(t *testing.T) {
	m := newModel(t)
	m.Config.QueryFile = "query_embed.a3"
	m.Weights = append(m.Weights, Tensor{Name: QueryEmbed, DType: F32, Shape: []int{1, 1, 2}, F32: []float32{3, 4}})
	m.Files = map[string][]byte{"more.json": []byte("{}")}
	dir := filepath.Join(t.TempDir(), "model")
	if err := WriteModel(t.Context(), dir, m); err != nil {
		t.Fatal(err)
	}
	want := []string{"card.md", "config.json", "model.safetensors", "more.json", "query_embed.a3", "tokenizer.json"}
	if got := listDir(t, dir); !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	plain, err := Open(filepath.Join(dir, weightsName))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got := plain.Names(); !slices.Equal(got, []string{"w"}) {
		t.Errorf("the weights of the plain model are %q", got)
	}
	back, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	var query [2]float32
	if err := back.Weights.Float32(QueryEmbed, query[:]); err != nil || query != [2]float32{3, 4} {
		t.Errorf("the query embedding is %v, %v", query, err)
	}
	if got := back.Weights.Names(); !slices.Equal(got, []string{QueryEmbed, "w"}) {
		t.Errorf("all weights are %q", got)
	}
	if back.Config.QueryFile != "" {
		t.Error("a model written with this configuration would have no query embedding among its weights")
	}
	// One value more, and the model has another digest.
	before, err := back.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.Weights[1].F32[1] = 5
	other := filepath.Join(t.TempDir(), "model")
	if err := WriteModel(t.Context(), other, m); err != nil {
		t.Fatal(err)
	}
	changed, err := OpenModel(other)
	if err != nil {
		t.Fatal(err)
	}
	defer changed.Close()
	if after, err := changed.Digest(t.Context()); err != nil || after == before {
		t.Errorf("another query embedding has digest %s too, %v", after, err)
	}
}

func TestQueryFileRefused(t *testing.T) {
	one := Tensor{Name: "w", DType: F32, F32: []float32{1}}
	query := Tensor{Name: QueryEmbed, DType: F32, F32: []float32{1}}
	for name, c := range map[string]struct {
		file          string
		weights, more []Tensor
		want          string
	}{
		"missing":   {"q.a3", []Tensor{one}, nil, "q.a3"},
		"elsewhere": {"../q.a3", []Tensor{one}, nil, "a3.query_embed"},
		"itself":    {"model.safetensors", []Tensor{one}, nil, "a3.query_embed"},
		"empty":     {"q.a3", []Tensor{one}, []Tensor{{Name: "v", DType: F32, F32: []float32{1}}}, `tensor "model.query_embed" is missing`},
		"more":      {"q.a3", []Tensor{one}, []Tensor{query, {Name: "v", DType: F32, F32: []float32{1}}}, `tensor "v" should not be here`},
		"twice":     {"q.a3", []Tensor{one, query}, []Tensor{query}, `tensor "model.query_embed" is in another file too`},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{
				configName:  {Data: []byte(with(t, `"a3":{"query_embed":"`+c.file+`"}`))},
				weightsName: {Data: encodeTensors(t, nil, c.weights...)},
			}
			if c.more != nil {
				fsys["q.a3"] = &fstest.MapFile{Data: encodeTensors(t, nil, c.more...)}
			}
			if _, err := OpenModelFS(fsys); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// A tensor that is read while it is written gives the bytes of one in memory.
func TestWriteRead(t *testing.T) {
	values := make([]float32, 2*pieceBytes/8+3)
	for i := range values {
		values[i] = float32(i) * 1.01
	}
	for _, dtype := range []DType{F32, BF16} {
		read := Tensor{Name: "w", DType: dtype, Shape: []int{len(values)}, Read: func(first int, dst []float32) error {
			copy(dst, values[first:first+len(dst)])
			return nil
		}}
		inMemory := Tensor{Name: "w", DType: dtype, Shape: []int{len(values)}, F32: values}
		if a, b := encodeTensors(t, nil, read), encodeTensors(t, nil, inMemory); !slices.Equal(a, b) {
			t.Errorf("%s: the bytes differ", dtype)
		}
	}
}

func TestWriteReadRefuses(t *testing.T) {
	read := func(first int, dst []float32) error { return context.Canceled }
	for _, c := range []struct {
		tensor Tensor
		want   string
	}{
		{Tensor{Name: "w", DType: F32, Shape: []int{2}, Read: read}, `tensor "w": context canceled`},
		{Tensor{Name: "w", DType: F32, Shape: []int{1}, F32: []float32{1}, Read: read}, "needs 1 elements"},
		{Tensor{Name: "w", DType: I64, Shape: []int{1}, Read: read}, "needs 1 elements"},
	} {
		err := Write(&strings.Builder{}, []Tensor{c.tensor}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q in it", err, c.want)
		}
	}
}
