package batching

import (
	"context"
	"fmt"
	"io"
)

// Stream is a source of tokenized documents that is read once, in its own order,
// such as a topic.
//
// Rules for implementers: Read is called by one goroutine. It blocks until a
// document is there, ctx ends (it returns ctx's error) or the stream is exhausted
// (io.EOF). The document's tokens are not changed until the next Read. Its Origin
// names it: documents of one partition come in the order of their offsets, and a
// stream that is resumed gives the documents behind each Mark.Next and Mark.Row, or all
// of a partition that has no mark.
type Stream interface {
	Read(ctx context.Context) (Document, error)
}

// item is a document with its place in what is read.
type item struct {
	doc      Document
	streamed bool // placed by doc.Origin, else by epoch and index
	epoch    uint64
	index    int
}

// feed gives the documents from a cursor on. io.EOF ends it.
type feed interface {
	read(ctx context.Context) (item, error)
}

type streamFeed struct{ stream Stream }

func (f streamFeed) read(ctx context.Context) (item, error) {
	doc, err := f.stream.Read(ctx)
	return item{doc: doc, streamed: true}, err
}

// corpusFeed goes through a corpus, epoch after epoch.
type corpusFeed struct {
	corpus *Corpus
	seed   uint64
	epochs uint64 // 0 = without end
	epoch  uint64
	index  int
	order  []int32 // of the epoch; nil = not shuffled yet
}

func newCorpusFeed(c *Corpus, seed uint64, epochs int, from Cursor) (*corpusFeed, error) {
	switch {
	case c.Len() == 0:
		return nil, fmt.Errorf("the corpus has no documents to train on")
	case epochs < 0:
		return nil, fmt.Errorf("epochs is %d; it must be positive, or 0 for no end", epochs)
	case from.Index < 0 || from.Index > c.Len() || from.Chunk < 0:
		return nil, fmt.Errorf("the cursor stands at document %d, chunk %d; the corpus has %d documents", from.Index, from.Chunk, c.Len())
	}
	return &corpusFeed{corpus: c, seed: seed, epochs: uint64(epochs), epoch: from.Epoch, index: from.Index}, nil
}

func (f *corpusFeed) read(ctx context.Context) (item, error) {
	if f.index == f.corpus.Len() {
		f.epoch, f.index, f.order = f.epoch+1, 0, nil
	}
	if f.epochs > 0 && f.epoch >= f.epochs {
		return item{}, io.EOF
	}
	if err := ctx.Err(); err != nil {
		return item{}, err
	}
	if f.order == nil {
		f.order = f.corpus.shuffled(f.seed, f.epoch)
	}
	it := item{doc: f.corpus.Document(int(f.order[f.index])), epoch: f.epoch, index: f.index}
	f.index++
	return it, nil
}
