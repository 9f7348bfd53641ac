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
// cost less than a microsecond. Pieces are taken by whoever is free, and nobody waits
// for a member that has taken none: one that the system does not run delays nothing.
//
// Its methods are called by one goroutine, which is member 0.
type Team struct {
	task Task // written while there are no pieces left to take
	n    int

	_      [64]byte // what members look at while they wait has a cache line of its own
	left   atomic.Int64
	rest   atomic.Bool
	closed atomic.Bool
	_      [64]byte
	undone atomic.Int64 // pieces that are not finished
	_      [64]byte

	sleepers []sleeper // by member
	wg       sync.WaitGroup
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
	t := &Team{sleepers: make([]sleeper, n)}
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

// Do computes the pieces [0, n) of a task and returns when all are done.
func (t *Team) Do(n int, task Task) {
	if n <= 1 || len(t.sleepers) == 1 {
		for i := range n {
			task.Piece(0, i)
		}
		return
	}
	t.task, t.n = task, n
	t.undone.Store(int64(n))
	if t.rest.Load() {
		t.rest.Store(false)
	}
	t.left.Store(int64(n))
	for m := 1; m < min(n, len(t.sleepers)); m++ {
		t.sleepers[m].rouse()
	}
	t.take(0)
	t.awaitOthers()
	t.task = nil
}

// take computes pieces until none is left. Only who has taken a piece looks at the task:
// it cannot change before that piece is done.
func (t *Team) take(member int) {
	for {
		left := t.left.Load()
		if left <= 0 {
			return
		}
		if !t.left.CompareAndSwap(left, left-1) {
			continue
		}
		t.task.Piece(member, t.n-int(left))
		if t.undone.Add(-1) == 0 && member != 0 {
			t.sleepers[0].rouse()
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
	for turn := 0; turn < spinTurns && !t.rest.Load(); turn++ {
		if t.left.Load() > 0 {
			return true
		}
	}
	s := &t.sleepers[member]
	s.parked.Store(true) // from here on Do and Close rouse; what came before is seen now:
	if t.left.Load() > 0 || t.closed.Load() {
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
