package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spinTurns is how often a member of a team looks for the next piece of work before it
// parks: some 200 microseconds. To wake a thread takes a quarter of it, and the gaps between
// the pieces of a decode step are shorter, also with many documents.
const spinTurns = 200_000

// Task is work in pieces that do not depend on each other.
type Task interface {
	// Piece computes piece i. Nothing that it computes may depend on the member, which
	// names memory to work in.
	Piece(member, i int)
}

// Team is a number of goroutines that share work of a few microseconds: between two
// tasks its members spin for a bounded time, so that handing out work and waiting for it
// cost less than a microsecond. Each member has a range of neighbouring pieces of its own
// (Range), from the first of which it takes them one by one; who has none left takes the
// last ones of others. So neighbours are computed by one member, one after the other, and
// still nobody waits for a member that the system does not run.
//
// Its methods are called by one goroutine, which is member 0.
type Team struct {
	task Task // written while there are no pieces left to take

	_      [64]byte // what members look at while they wait has a cache line of its own
	rest   atomic.Bool
	closed atomic.Bool
	_      [64]byte
	undone atomic.Int64 // pieces that are not finished
	_      [64]byte

	shares   []share   // by member
	sleepers []sleeper // by member
	wg       sync.WaitGroup
}

// share is what is left of a member's pieces: the first in the upper half, the one behind
// the last in the lower.
type share struct {
	left atomic.Uint64
	_    [56]byte
}

func (s *share) put(from, to int) { s.left.Store(uint64(from)<<32 | uint64(to)) }

func (s *share) empty() bool {
	left := s.left.Load()
	return left>>32 >= left&(1<<32-1)
}

// take takes a piece from the front or from the back, or returns -1 if none is left. Who
// has one may look at the team's task: it cannot change before the piece is done. It need
// not be the task that was there when the share was read, if both left the same pieces.
func (s *share) take(front bool) int {
	for {
		left := s.left.Load()
		from, to := left>>32, left&(1<<32-1)
		switch {
		case from >= to:
			return -1
		case front && s.left.CompareAndSwap(left, (from+1)<<32|to):
			return int(from)
		case !front && s.left.CompareAndSwap(left, from<<32|(to-1)):
			return int(to - 1)
		}
	}
}

// sleeper is where a member parks.
type sleeper struct {
	parked atomic.Bool
	wake   chan struct{} // holds a token after parked was set back by somebody else
	_      [64]byte
}

// NewTeam starts a team of n members, or as many as run at the same time if those are
// fewer. It must be closed.
func NewTeam(n int) *Team { return newTeam(min(n, runtime.GOMAXPROCS(0))) }

func newTeam(n int) *Team {
	t := &Team{shares: make([]share, n), sleepers: make([]sleeper, n)}
	for m := range t.sleepers {
		t.sleepers[m].wake = make(chan struct{}, 1)
	}
	for m := 1; m < n; m++ {
		t.wg.Go(func() {
			for t.take(m); t.awaitWork(m); t.take(m) {
			}
		})
	}
	return t
}

// Size returns the number of members.
func (t *Team) Size() int { return len(t.sleepers) }

// Range returns the pieces [from, to) of n that are a member's own: of few pieces the first
// members have one each.
func (t *Team) Range(n, member int) (from, to int) {
	size := max(min(n, len(t.shares)), 1)
	return min(member, size) * n / size, min(member+1, size) * n / size
}

// Do computes the pieces [0, n) of a task and returns when all are done.
func (t *Team) Do(n int, task Task) {
	if n <= 1 || len(t.sleepers) == 1 {
		for i := range n {
			task.Piece(0, i)
		}
		return
	}
	t.task = task
	t.undone.Store(int64(n))
	if t.rest.Load() {
		t.rest.Store(false)
	}
	for m := range t.shares {
		t.shares[m].put(t.Range(n, m))
	}
	for m := 1; m < min(n, len(t.sleepers)); m++ {
		t.sleepers[m].rouse()
	}
	t.take(0)
	t.awaitOthers()
	t.task = nil
}

// take computes pieces until none is left: a member's own, then those of others.
func (t *Team) take(member int) {
	size := len(t.shares)
	for i := range size {
		share := &t.shares[(member+i)%size]
		for piece := share.take(i == 0); piece >= 0; piece = share.take(i == 0) {
			t.task.Piece(member, piece)
			if t.undone.Add(-1) == 0 && member != 0 {
				t.sleepers[0].rouse()
			}
		}
	}
}

// Rest makes the members park at once, until the next task: it is called before every
// wait for something else than the team.
func (t *Team) Rest() {
	if !t.rest.Load() {
		t.rest.Store(true)
	}
}

// Close ends the members and waits for them.
func (t *Team) Close() {
	t.closed.Store(true)
	t.rest.Store(true)
	for m := range t.sleepers[1:] {
		t.sleepers[m+1].rouse()
	}
	t.wg.Wait()
}

// awaitWork returns when there may be pieces to take, or false when the team is closed.
func (t *Team) awaitWork(member int) bool {
	own := &t.shares[member]
	for turn := 0; turn < spinTurns && !t.rest.Load(); turn++ {
		if !own.empty() {
			return true
		}
	}
	s := &t.sleepers[member]
	s.parked.Store(true) // from here on Do and Close rouse; what came before is seen now:
	if !own.empty() || t.closed.Load() {
		s.rouse()
	}
	<-s.wake
	return !t.closed.Load()
}

// awaitOthers returns when all pieces are done.
func (t *Team) awaitOthers() {
	s := &t.sleepers[0]
	for {
		for range spinTurns {
			if t.undone.Load() == 0 {
				return
			}
		}
		s.parked.Store(true)
		if t.undone.Load() == 0 {
			s.rouse()
		}
		<-s.wake // perhaps from one who had done the last piece of an earlier task
	}
}

// rouse wakes a member that is parked, or is about to.
func (s *sleeper) rouse() {
	if s.parked.Load() && s.parked.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
	}
}
