package batching

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testBOS   = 1
	testEOS   = 2
	testVocab = 100
)

// testRecipe goes through all stages of the curriculum in eight steps, and then scores
// both streams.
func testRecipe() Recipe {
	curriculum := order.DefaultCurriculum(0)
	last := &curriculum[len(curriculum)-1]
	if err := last.Phases[0].UnmarshalText([]byte("spans=0.5,next=0.3,permuted:4=0.2")); err != nil {
		panic(err) // the text is the literal above
	}
	return Recipe{
		Seed: 7, Vocab: testVocab, BOS: testBOS, EOS: testEOS, Context: 16, Budget: 40,
		Given: order.GivenCausal, Curriculum: curriculum,
	}
}

// testDocument returns a document whose tokens name it and their places.
func testDocument(i, tokens int) Document {
	d := Document{
		ID: fmt.Sprint("doc", i), Key: seq.HashBytes(fmt.Append(nil, i)),
		Origin: Origin{Stream: "tales.jsonl", Partition: -1, Offset: int64(i + 1), Next: int64(100 * (i + 1))},
	}
	for p := range tokens {
		d.Tokens = append(d.Tokens, int32(3+(7*i+p)%(testVocab-3)))
	}
	return d
}

// testDocuments returns n documents of 1 to 47 tokens.
func testDocuments(n int) []Document {
	docs := make([]Document, n)
	for i := range docs {
		docs[i] = testDocument(i, 1+(i*29)%47)
	}
	return docs
}

func testCorpus(t testing.TB, docs []Document) *Corpus {
	t.Helper()
	c := &Corpus{}
	for _, d := range docs {
		if err := c.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// checked returns an allocator that fails the test when memory is left over.
func checked(t testing.TB) *memory.CheckedAllocator {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

// stepper is what Loader and Replay have in common.
type stepper interface {
	Next(ctx context.Context, step int) (*TrainingBatch, error)
}

// take returns the batches of up to n steps; the test releases them at its end.
func take(t testing.TB, s stepper, from, n int) []*TrainingBatch {
	t.Helper()
	var batches []*TrainingBatch
	for step := from; step < from+n; step++ {
		b, err := s.Next(context.Background(), step)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Release)
		batches = append(batches, b)
	}
	return batches
}

// corpusBatches returns the batches of a fresh loader.
func corpusBatches(t testing.TB, c *Corpus, epochs int, recipe Recipe, opts LoaderOptions, n int) []*TrainingBatch {
	t.Helper()
	l, err := NewCorpusLoader(c, epochs, recipe, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return take(t, l, opts.From.Step, n)
}

// sameBatches demands equality of all columns, bit for bit.
func sameBatches(t testing.TB, got, want []*TrainingBatch) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d batches, want %d", len(got), len(want))
	}
	for i := range got {
		if !sameRecord(got[i].Record(), want[i].Record()) {
			t.Fatalf("batch %d differs:\n%v\nwant\n%v", i, got[i].Record(), want[i].Record())
		}
	}
}

func sameRecord(a, b arrow.Record) bool {
	return array.RecordEqual(a, b) && a.Schema().Equal(b.Schema()) && a.Schema().Metadata().Equal(b.Schema().Metadata())
}
