package batching

import "slices"

// Cursor says how far training has come in its documents: which chunk comes next,
// and for which step. It belongs into the checkpoint's manifest; the zero Cursor is
// the start.
type Cursor struct {
	Step int `json:"step"` // the next step

	// In a corpus: the next chunk.
	Epoch  uint64 `json:"epoch"`
	Index  int    `json:"index"` // into the shuffled order of the epoch
	Chunk  int    `json:"chunk"` // of the document there
	Corpus uint64 `json:"corpus,string,omitempty"`

	// In a stream: one mark for each part that has been read, in the order of
	// their first documents.
	Marks []Mark `json:"marks,omitempty"`
}

// Mark says how far one partition of a source stream has been trained.
type Mark struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	Next      int64  `json:"next"` // Origin.Next of the last document trained whole; 0 = none yet
	// Row is the last of the documents of the record at Next that were trained whole, where
	// that holds several.
	Row int64 `json:"row,omitempty"`
	// While Chunk > 0, that many chunks of the document at Offset are trained too.
	Offset int64 `json:"offset,omitempty"`
	Chunk  int   `json:"chunk,omitempty"`
}

// clone returns a cursor that shares no memory with c.
func (c Cursor) clone() Cursor {
	c.Marks = slices.Clone(c.Marks)
	return c
}

// mark returns the mark of an origin's partition, or nil.
func (c *Cursor) mark(o Origin) *Mark {
	for i := range c.Marks {
		if m := &c.Marks[i]; m.Partition == o.Partition && m.Stream == o.Stream {
			return m
		}
	}
	return nil
}

// done returns how many chunks of a document that was just read are trained already.
func (c *Cursor) done(it item) int {
	if !it.streamed {
		if it.epoch == c.Epoch && it.index == c.Index {
			return c.Chunk
		}
		return 0
	}
	if m := c.mark(it.doc.Origin); m != nil && m.Offset == it.doc.Origin.Offset {
		return m.Chunk
	}
	return 0
}

// advance moves the cursor behind the first done chunks of a document of count.
func (c *Cursor) advance(it item, done, count int) {
	if !it.streamed {
		c.Epoch, c.Index, c.Chunk = it.epoch, it.index, done
		if done == count {
			c.Index, c.Chunk = it.index+1, 0
		}
		return
	}
	o := it.doc.Origin
	m := c.mark(o)
	if m == nil {
		c.Marks = append(c.Marks, Mark{Stream: o.Stream, Partition: o.Partition})
		m = &c.Marks[len(c.Marks)-1]
	}
	m.Offset, m.Chunk = o.Offset, done
	if done == count {
		m.Next, m.Row, m.Offset, m.Chunk = o.Next, 0, 0, 0
		if o.Next == o.Offset {
			m.Row = o.Row
		}
	}
}
