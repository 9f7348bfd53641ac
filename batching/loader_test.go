package batching

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/order"
)

// TestBatchesByDefinition builds the batches once more, naively, and compares.
func TestBatchesByDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		recipe := testRecipe()
		recipe.Seed = rapid.Uint64().Draw(rt, "seed")
		recipe.Context = rapid.IntRange(minContext, 24).Draw(rt, "context")
		recipe.Budget = recipe.Context + rapid.IntRange(0, 60).Draw(rt, "more")
		corpus := testCorpus(t, testDocuments(rapid.IntRange(1, 20).Draw(rt, "documents")))
		const epochs = 2

		l, err := NewCorpusLoader(corpus, epochs, recipe, LoaderOptions{Mem: checked(t)})
		if err != nil {
			rt.Fatal(err)
		}
		defer l.Close()
		step, row := 0, 0
		var batch *TrainingBatch
		next := func() {
			if batch != nil {
				batch.Release()
			}
			if batch, err = l.Next(context.Background(), step); err != nil {
				rt.Fatal(err)
			}
			step, row = step+1, 0
			if batch.Positions() > recipe.Budget || batch.Step() != step-1 {
				rt.Fatalf("step %d has %d positions", batch.Step(), batch.Positions())
			}
		}
		next()
		for epoch := range uint64(epochs) {
			for _, i := range corpus.shuffled(recipe.Seed, epoch) {
				doc := corpus.Document(int(i))
				for chunk := range recipe.Chunker().Count(len(doc.Tokens)) {
					tokens, last := recipe.Chunker().Append(nil, doc.Tokens, chunk)
					if row == len(batch.Segments()) {
						if batch.Positions()+len(tokens) <= recipe.Budget {
							rt.Fatalf("step %d ended with room for %d positions", batch.Step(), len(tokens))
						}
						next()
					}
					stage, mixture := recipe.Curriculum.At(batch.Step())
					want := mixture.Sample(order.Key(recipe.Seed, epoch, doc.Key, chunk), tokens, recipe.Given)
					got := batch.Segments()[row]
					if !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.Group, want.Group) || !slices.Equal(got.Weight, want.Weight) || got.Next != want.Next {
						rt.Fatalf("step %d, row %d:\n%v\nwant\n%v", batch.Step(), row, got, want)
					}
					if want := (Row{
						Doc: doc.Key, Epoch: epoch, Chunk: chunk, Last: last,
						Stream: doc.Origin.Stream, Partition: doc.Origin.Partition, Offset: doc.Origin.Offset,
					}); batch.Row(row) != want || batch.Stage() != stage {
						rt.Fatalf("step %d, row %d: stage %d, %+v; want %d, %+v", batch.Step(), row, batch.Stage(), batch.Row(row), stage, want)
					}
					row++
				}
			}
		}
		if row != len(batch.Segments()) {
			rt.Fatalf("%d rows too many", len(batch.Segments())-row)
		}
		batch.Release()
		for range 2 {
			if _, err := l.Next(context.Background(), step); err != io.EOF {
				rt.Fatalf("behind the last epoch: %v", err)
			}
		}
	})
}

// TestResumeAnywhere: from each batch's cursor, through JSON, the same batches follow,
// whatever the prefetch.
func TestResumeAnywhere(t *testing.T) {
	corpus, mem := testCorpus(t, testDocuments(12)), checked(t)
	whole := corpusBatches(t, corpus, 3, testRecipe(), LoaderOptions{Mem: mem}, 1000)
	if len(whole) < 20 {
		t.Fatalf("only %d batches", len(whole))
	}
	midDocument := 0
	for i, b := range whole {
		blob, err := json.Marshal(b.After())
		if err != nil {
			t.Fatal(err)
		}
		var from Cursor
		if err := json.Unmarshal(blob, &from); err != nil {
			t.Fatal(err)
		}
		if from.Chunk > 0 {
			midDocument++
		}
		opts := LoaderOptions{Mem: mem, From: from, Prefetch: 1 + i%4}
		sameBatches(t, corpusBatches(t, corpus, 3, testRecipe(), opts, 1000), whole[i+1:])
	}
	if midDocument == 0 {
		t.Error("no cursor stands within a document: the test proves too little")
	}
}

func TestLoaderErrors(t *testing.T) {
	corpus := testCorpus(t, testDocuments(5))
	bad := testRecipe()
	bad.Budget = 3
	for want, try := range map[string]func() (*Loader, error){
		"budget":       func() (*Loader, error) { return NewCorpusLoader(corpus, 0, bad, LoaderOptions{}) },
		"prefetch":     func() (*Loader, error) { return NewCorpusLoader(corpus, 0, testRecipe(), LoaderOptions{Prefetch: -1}) },
		"epochs":       func() (*Loader, error) { return NewCorpusLoader(corpus, -1, testRecipe(), LoaderOptions{}) },
		"no documents": func() (*Loader, error) { return NewCorpusLoader(&Corpus{}, 0, testRecipe(), LoaderOptions{}) },
		"has changed": func() (*Loader, error) {
			return NewCorpusLoader(corpus, 0, testRecipe(), LoaderOptions{From: Cursor{Corpus: 5}})
		},
		"stands at docum": func() (*Loader, error) {
			return NewCorpusLoader(corpus, 0, testRecipe(), LoaderOptions{From: Cursor{Index: 9}})
		},
		"step is -1": func() (*Loader, error) {
			return NewStreamLoader(nil, testRecipe(), LoaderOptions{From: Cursor{Step: -1}})
		},
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}

	wrong := testDocument(9, 20)
	wrong.Tokens[4] = testVocab
	for want, try := range map[string]struct {
		docs []Document
		from Cursor
	}{
		`"doc9" (tales.jsonl:10): token 100 at position 4`: {docs: []Document{testDocument(1, 90), wrong}},
		"has 1 chunks, but the cursor stands behind 5":     {docs: []Document{testDocument(1, 3)}, from: Cursor{Chunk: 5}},
	} {
		l, err := NewCorpusLoader(testCorpus(t, try.docs), 1, testRecipe(), LoaderOptions{Mem: checked(t), From: try.from})
		if err != nil {
			t.Fatal(err)
		}
		for step := 0; err == nil; step++ {
			var b *TrainingBatch
			if b, err = l.Next(context.Background(), step); err == nil {
				b.Release()
			}
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
		l.Close()
	}
}

func TestLoaderSteps(t *testing.T) {
	l, err := NewCorpusLoader(testCorpus(t, testDocuments(5)), 0, testRecipe(), LoaderOptions{Mem: checked(t), Prefetch: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(context.Background(), 1); err == nil || !strings.Contains(err.Error(), "step 0 is next") {
		t.Errorf("Next(1) = %v", err)
	}
	take(t, l, 0, 3)
	for range 2 { // with batches in the queue, and again
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Next(context.Background(), 3); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Next behind Close = %v", err)
	}
}

// sliceStream gives documents, then io.EOF, or blocks until the context ends.
type sliceStream struct {
	docs   []Document
	blocks bool
}

func (s *sliceStream) Read(ctx context.Context) (Document, error) {
	if len(s.docs) == 0 {
		if s.blocks {
			<-ctx.Done()
			return Document{}, ctx.Err()
		}
		return Document{}, io.EOF
	}
	d := s.docs[0]
	s.docs = s.docs[1:]
	return d, nil
}

// streamDocuments returns documents of two partitions, some of them empty.
func streamDocuments() []Document {
	var docs []Document
	var offset [2]int64
	for i := range 30 {
		part := (i / 3) % 2
		d := testDocument(i, (i*29)%67)
		if i%7 == 3 {
			d.Tokens = nil
		}
		d.Origin = Origin{Stream: "topic", Partition: int32(part), Offset: offset[part], Next: offset[part] + 1}
		offset[part]++
		docs = append(docs, d)
	}
	return docs
}

// rowDocuments are those of streamDocuments, three to a record.
func rowDocuments() []Document {
	docs := streamDocuments()
	for i := range docs {
		o := &docs[i].Origin
		o.Offset, o.Row = o.Offset/3, int64(i%3+1)
		o.Next = o.Offset
		if o.Row == 3 {
			o.Next++
		}
	}
	return docs
}

// behind returns the documents that a seeked stream gives: those from each mark on.
func behind(docs []Document, marks []Mark) []Document {
	var rest []Document
	for _, d := range docs {
		trained := slices.ContainsFunc(marks, func(m Mark) bool {
			return m.Stream == d.Origin.Stream && m.Partition == d.Origin.Partition &&
				(d.Origin.Offset < m.Next || d.Origin.Offset == m.Next && d.Origin.Row > 0 && d.Origin.Row <= m.Row)
		})
		if !trained {
			rest = append(rest, d)
		}
	}
	return rest
}

func streamBatches(t *testing.T, docs []Document, opts LoaderOptions) []*TrainingBatch {
	t.Helper()
	l, err := NewStreamLoader(&sliceStream{docs: docs}, testRecipe(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return take(t, l, opts.From.Step, 1000)
}

func TestStreamResumeAnywhere(t *testing.T) {
	t.Run("records", func(t *testing.T) { resumeAnywhere(t, streamDocuments()) })
	t.Run("rows", func(t *testing.T) { resumeAnywhere(t, rowDocuments()) })
}

func resumeAnywhere(t *testing.T, docs []Document) {
	mem := checked(t)
	whole := streamBatches(t, docs, LoaderOptions{Mem: mem})
	for i, b := range whole {
		from := b.After()
		opts := LoaderOptions{Mem: mem, From: from, Prefetch: 1 + i%3}
		sameBatches(t, streamBatches(t, behind(docs, from.Marks), opts), whole[i+1:])
	}
}

// TestStreamResumeInAnotherOrder: when the partitions come interleaved in another
// way, each chunk is still trained exactly once.
func TestStreamResumeInAnotherOrder(t *testing.T) {
	t.Run("records", func(t *testing.T) { resumeInAnotherOrder(t, streamDocuments()) })
	t.Run("rows", func(t *testing.T) { resumeInAnotherOrder(t, rowDocuments()) })
}

func resumeInAnotherOrder(t *testing.T, docs []Document) {
	mem := checked(t)
	count := func(into map[string]int, batches []*TrainingBatch) {
		for _, b := range batches {
			for i := range b.Segments() {
				r := b.Row(i)
				into[fmt.Sprint(r.Partition, r.Offset, r.Doc, r.Chunk)]++
			}
		}
	}
	whole := streamBatches(t, docs, LoaderOptions{Mem: mem})
	want := map[string]int{}
	count(want, whole)
	for i := range whole {
		got := map[string]int{}
		count(got, whole[:i+1])
		from := whole[i].After()
		for round := range 2 { // resumed twice, the other partition first each time
			rest := behind(docs, from.Marks)
			slices.SortStableFunc(rest, func(a, b Document) int {
				if round == 0 {
					return int(b.Origin.Partition - a.Origin.Partition)
				}
				return int(a.Origin.Partition - b.Origin.Partition)
			})
			next := streamBatches(t, rest, LoaderOptions{Mem: mem, From: from})
			if round == 0 && len(next) > 1 {
				next = next[:1]
			}
			count(got, next)
			if len(next) > 0 {
				from = next[len(next)-1].After()
			}
		}
		for chunk, n := range got {
			if n != want[chunk] {
				t.Fatalf("from step %d: chunk %s is trained %d times", i, chunk, n)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("from step %d: %d of %d chunks are trained", i, len(got), len(want))
		}
	}
}

// TestStreamLostDocument: when the source no longer has the document that the mark stands
// within, the next one is trained whole.
func TestStreamLostDocument(t *testing.T) {
	doc := testDocument(0, 40) // three chunks
	doc.Origin = Origin{Stream: "topic", Partition: 0, Offset: 6, Next: 7}
	from := Cursor{Marks: []Mark{{Stream: "topic", Partition: 0, Next: 5, Offset: 5, Chunk: 2}}}
	batches := streamBatches(t, []Document{doc}, LoaderOptions{Mem: checked(t), From: from})
	if got := batches[0].Row(0); got.Offset != 6 || got.Chunk != 0 {
		t.Errorf("the first row is %+v", got)
	}
	want := []Mark{{Stream: "topic", Partition: 0, Next: 7}}
	if got := batches[len(batches)-1].After().Marks; !slices.Equal(got, want) {
		t.Errorf("marks %+v, want %+v", got, want)
	}
}

// TestStreamBlocks: waiting for documents ends with the context and with Close.
func TestStreamBlocks(t *testing.T) {
	l, err := NewStreamLoader(&sliceStream{docs: []Document{testDocument(0, 3)}, blocks: true}, testRecipe(), LoaderOptions{Mem: checked(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 {
		if _, err := l.Next(ctx, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("Next under an ended context = %v", err)
		}
	}
	l.Close()
}

func TestRecipeValidate(t *testing.T) {
	for want, change := range map[string]func(r *Recipe){
		"vocab is 0":    func(r *Recipe) { r.Vocab = 0 },
		"bos is 100":    func(r *Recipe) { r.BOS = testVocab },
		"eos is -2":     func(r *Recipe) { r.EOS = -2 },
		"context is 3":  func(r *Recipe) { r.Context = 3 },
		"budget is 15":  func(r *Recipe) { r.Budget = 15 },
		"given is 5":    func(r *Recipe) { r.Given = 5 },
		"curriculum is": func(r *Recipe) { r.Curriculum = nil },
	} {
		r := testRecipe()
		change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want an error with %q", err, want)
		}
	}
}
