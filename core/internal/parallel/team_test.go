package parallel

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// tally counts who computed which piece.
type tally struct {
	pieces [100]atomic.Int32
	memory []int // of each member, without protection: the race detector watches
	slow   func(member, i int)
}

func (c *tally) Piece(member, i int) {
	c.pieces[i].Add(1)
	c.memory[member]++
	if c.slow != nil {
		c.slow(member, i)
	}
}

func (c *tally) check(t *testing.T, n int) {
	t.Helper()
	sum := 0
	for _, m := range c.memory {
		sum += m
	}
	if sum != n {
		t.Fatalf("members did %d pieces, want %d", sum, n)
	}
	for i := range c.pieces {
		want := int32(0)
		if i < n {
			want = 1
		}
		if got := c.pieces[i].Load(); got != want {
			t.Fatalf("piece %d of %d ran %d times", i, n, got)
		}
	}
}

// Every piece runs once, before Do returns, however often members park in between.
func TestTeam(t *testing.T) {
	for _, members := range []int{1, 2, 3, 7} {
		team := newTeam(members)
		for turn := range 200 {
			for _, n := range []int{0, 1, 2, 3, 10, 100} {
				c := &tally{memory: make([]int, members)}
				team.Do(n, c)
				c.check(t, n)
			}
			switch turn % 20 {
			case 3:
				team.Rest()
			case 7:
				time.Sleep(200 * time.Microsecond) // everybody parks
			case 11:
				runtime.Gosched()
			}
		}
		team.Close()
	}
}

func TestTeamSize(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	for threads, want := range map[int]int{1: 1, 3: 3, 8: 3} {
		team := NewTeam(threads)
		if team.Size() != want {
			t.Errorf("a team of %d on 3 processors has %d members, want %d", threads, team.Size(), want)
		}
		team.Close()
	}
}

// With fewer processors than members, and members that stand still in a piece.
func TestTeamWithoutProcessors(t *testing.T) {
	team := newTeam(5)
	defer team.Close()
	for _, procs := range []int{1, 2, 8} {
		previous := runtime.GOMAXPROCS(procs)
		for n := 1; n < 40; n++ {
			c := &tally{memory: make([]int, 5), slow: func(member, i int) {
				if (member+i)%9 == 8 {
					time.Sleep(200 * time.Microsecond)
				}
			}}
			team.Do(n, c)
			c.check(t, n)
		}
		runtime.GOMAXPROCS(previous)
	}
}

// While a member stands still in a piece the others do the rest.
func TestTeamGoesOn(t *testing.T) {
	team := newTeam(2)
	defer team.Close()
	for range 20 {
		var others atomic.Int32
		c := &tally{memory: make([]int, 2), slow: func(member, _ int) {
			if member == 1 {
				others.Add(1)
			}
			for member == 0 && others.Load() < 9 {
				runtime.Gosched()
			}
		}}
		team.Do(10, c)
		c.check(t, 10)
	}
}

// A task that lives on costs no allocation.
func TestTeamDoesNotAllocate(t *testing.T) {
	team := newTeam(2)
	defer team.Close()
	c := &tally{memory: make([]int, 2)}
	if n := testing.AllocsPerRun(100, func() { team.Do(7, c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type nothing struct{}

func (nothing) Piece(int, int) {}

// BenchmarkSpin is how long a member looks for work.
func BenchmarkSpin(b *testing.B) {
	team := newTeam(1)
	for b.Loop() {
		team.sleepers[0].wake <- struct{}{}
		team.awaitWork(0)
	}
}

// BenchmarkTeam is the cost of sharing: pieces that do nothing.
func BenchmarkTeam(b *testing.B) {
	for _, members := range []int{1, 2, 4} {
		for _, pieces := range []int{2, 4, 16} {
			b.Run(fmt.Sprintf("members=%d/pieces=%d", members, pieces), func(b *testing.B) {
				team := NewTeam(members)
				defer team.Close()
				for b.Loop() {
					team.Do(pieces, nothing{})
				}
			})
		}
	}
}
