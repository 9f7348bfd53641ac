package kafka

import (
	"cmp"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
)

// place names a partition.
type place struct {
	topic     string
	partition int32
}

func placeOf(o connectors.Origin) place { return place{o.Stream, o.Partition} }

// compare orders places by topic, then by partition.
func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.topic, q.topic), cmp.Compare(p.partition, q.partition))
}

// partition is one assignment of one partition to this worker: an epoch. When it is
// taken away the object is dropped for good; if the partition comes back, it is a new
// one, and settles that still belong to the old one move nothing.
type partition struct {
	at   place
	acks *connectors.Watermark

	// floor is what to commit when nothing is settled yet: the position that the
	// caller prescribed, -1 for none. committed is the last position committed, -1
	// for none. Both belong to the holder of Source.commitMu.
	floor, committed int64

	// position is where reading goes on; it belongs to the holder of Source.mu.
	position int64

	pauseMu sync.Mutex
	paused  bool // pauseMu
	dropped bool // pauseMu: no longer ours, pause it never again
}

func (s *Source) newPartition(at place) *partition {
	p := &partition{at: at, floor: -1, committed: -1, position: -1}
	p.acks = connectors.NewWatermark(func() { s.maybeResume(p) })
	return p
}

// limits tells whether the window has reached the bounds, or is below half of them.
func (s *Source) limits(p *partition) (full, low bool) {
	records, bytes := p.acks.Window()
	full = records >= s.opts.MaxUnsettled || bytes >= s.opts.MaxUnsettledBytes
	low = records <= s.opts.MaxUnsettled/2 && bytes <= s.opts.MaxUnsettledBytes/2
	return full, low
}

func one(p *partition) map[string][]int32 {
	return map[string][]int32{p.at.topic: {p.at.partition}}
}

// maybePause stops fetching a partition that has too much unsettled. The window is
// looked at under pauseMu, as in maybeResume: a settle that empties the window between
// the look and the pause would otherwise leave it paused for ever.
func (s *Source) maybePause(client *kgo.Client, p *partition) {
	p.pauseMu.Lock()
	defer p.pauseMu.Unlock()
	if full, _ := s.limits(p); full && !p.paused && !p.dropped {
		client.PauseFetchPartitions(one(p))
		p.paused = true
	}
}

// maybeResume goes on fetching when the window is half empty.
func (s *Source) maybeResume(p *partition) {
	p.pauseMu.Lock()
	defer p.pauseMu.Unlock()
	if _, low := s.limits(p); low && p.paused {
		s.client.ResumeFetchPartitions(one(p))
		p.paused = false
	}
}

// drop ends the epoch. The client remembers pauses by partition, beyond an
// assignment, so they are taken back.
func (s *Source) drop(client *kgo.Client, p *partition) (acked connectors.Origin, ok bool) {
	acked, ok = p.acks.End()
	p.pauseMu.Lock()
	defer p.pauseMu.Unlock()
	if p.paused {
		client.ResumeFetchPartitions(one(p))
	}
	p.paused, p.dropped = false, true
	return acked, ok
}
