package connectors

import "sync"

// Watermark follows one stream, or one assignment of one partition: what was
// delivered, in which order, and how far it is settled without a gap.
//
// One Watermark is one epoch. When a partition is taken away, End closes the epoch
// and gives the last position to commit, in one critical section: a Settle that
// comes later finds the epoch ended and moves nothing, so it cannot push a commit
// past work that now belongs to another worker. A partition that comes back gets a
// new Watermark.
//
// All methods may be called from any goroutine; Track by one at a time.
type Watermark struct {
	moved func() // may be nil; called without mu held

	mu     sync.Mutex
	window []tracked // mu: from the first unsettled on, in delivery order
	first  uint64    // mu: sequence number of window[0]
	bytes  int64     // mu: sum of window sizes
	acked  Origin    // mu: last contiguously settled
	hasAck bool      // mu
	ended  bool      // mu
}

type tracked struct {
	origin  Origin
	size    int64
	settled bool
	refused bool
}

// NewWatermark starts an epoch. moved, if not nil, is called after each Settle that
// moved the watermark.
func NewWatermark(moved func()) *Watermark {
	return &Watermark{moved: moved}
}

// Track notes that the record at origin is delivered, and returns its Settle
// function. size is what it holds in memory, for Window. Records are tracked in the
// order of the stream. After End nothing is tracked and settling does nothing.
func (w *Watermark) Track(origin Origin, size int64) (settle func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return func(error) {}
	}
	seq := w.first + uint64(len(w.window))
	w.window = append(w.window, tracked{origin: origin, size: size})
	w.bytes += size
	return func(err error) { w.settle(seq, err) }
}

func (w *Watermark) settle(seq uint64, err error) {
	if w.advance(seq, err) && w.moved != nil {
		w.moved()
	}
}

// advance settles one record and reports whether the watermark moved.
func (w *Watermark) advance(seq uint64, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || seq < w.first {
		return false
	}
	t := &w.window[seq-w.first]
	if t.settled || t.refused {
		return false // the first call counts
	}
	t.settled, t.refused = err == nil, err != nil

	moved := false
	for len(w.window) > 0 && w.window[0].settled {
		w.acked, w.hasAck, moved = w.window[0].origin, true, true
		w.bytes -= w.window[0].size
		w.window = w.window[1:]
		w.first++
	}
	return moved
}

// Acknowledged returns the last record up to which everything is settled; false
// while there is none.
func (w *Watermark) Acknowledged() (Origin, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked, w.hasAck
}

// Current reports whether the epoch goes on.
func (w *Watermark) Current() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.ended
}

// Window returns how many records are held back from the first unsettled one on,
// settled or not, and their bytes. This is what comes again after a crash, and what
// a source bounds.
func (w *Watermark) Window() (records int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.window), w.bytes
}

// End closes the epoch and returns what Acknowledged returns from then on.
func (w *Watermark) End() (Origin, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.window, w.bytes = nil, 0
	return w.acked, w.hasAck
}
