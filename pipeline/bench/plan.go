package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/pipeline/models"
)

// The names of the suites.
const (
	DefaultSuite = "default" // what a user wants to know of a machine, in less than a minute
	PeersSuite   = "peers"   // what other engines are compared by
)

// The names of the sections.
const (
	sectionMachine   = "machine"
	sectionMemory    = "memory"
	sectionGEMM      = "gemm"
	sectionAttention = "attention"
	sectionTrain     = "train"
	sectionDecode    = "decode"
)

// Sections returns the parts of a report, in its order.
func Sections() []string {
	return []string{sectionMachine, sectionMemory, sectionGEMM, sectionAttention, sectionTrain, sectionDecode}
}

// Options say what to measure.
type Options struct {
	Suite    string
	Only     []string      // Sections or beginnings of names, such as gemm/bf16; none means all that the suite has
	Threads  int           // measured beside one thread
	Compute  []string      // compute types; none means all that the level offers
	Level    kernels.Level // empty means the machine's best
	Duration time.Duration // least time of a measurement
	Model    string        // directory of the model that fills documents; empty means the embedded one
}

// DefaultOptions returns the default suite on so many threads.
func DefaultOptions(threads int) Options {
	return Options{Suite: DefaultSuite, Threads: threads, Duration: 200 * time.Millisecond}
}

const (
	minDuration = time.Millisecond
	maxDuration = time.Hour
	maxThreads  = 4096
)

// Plan is what will be measured.
type Plan struct {
	suite   string
	machine Machine
	shown   bool // the machine is part of what was asked for
	tasks   []task
}

// New plans the measurements. An error is a mistake in the options.
func New(o Options) (*Plan, error) {
	switch {
	case o.Threads < 1 || o.Threads > maxThreads:
		return nil, fmt.Errorf("threads is %d; it must be 1 to %d", o.Threads, maxThreads)
	case o.Duration < minDuration || o.Duration > maxDuration:
		return nil, fmt.Errorf("duration is %v; it must be %v to %v", o.Duration, minDuration, maxDuration)
	}
	suite, err := suiteOf(o.Suite)
	if err != nil {
		return nil, err
	}
	k, err := kernels.Open(o.Level)
	if err != nil {
		return nil, err
	}
	compute, err := chooseCompute(o.Compute, k)
	if err != nil {
		return nil, err
	}
	if o.Model != "" { // better said now than after half a minute
		dir, err := models.Open(o.Model)
		if err != nil {
			return nil, err
		}
		if err := dir.Close(); err != nil {
			return nil, err
		}
	}
	return newPlan(suite, o, compute, k)
}

func newPlan(s *suite, o Options, compute []computeType, k *kernels.Kernels) (*Plan, error) {
	l := &lab{clock: clock{o.Duration}, kernels: k, threads: []int{1}, model: o.Model, noise: newNoise()}
	if o.Threads > 1 {
		l.threads = append(l.threads, o.Threads)
	}
	p := &Plan{
		suite: s.name, machine: machineOf(k, compute, o.Threads),
		shown: len(o.Only) == 0 || slices.Contains(o.Only, sectionMachine),
	}
	all := s.tasks(l, compute)
	for _, what := range o.Only {
		if !slices.Contains(Sections(), what) && !slices.ContainsFunc(all, func(t task) bool { return t.within(what) }) {
			return nil, fmt.Errorf("suite %s has no section and no measurement %q; its sections are %s, a measurement is %s",
				s.name, what, strings.Join(Sections(), ", "), all[0].name)
		}
	}
	for _, t := range all {
		if len(o.Only) == 0 || slices.ContainsFunc(o.Only, t.within) {
			p.tasks = append(p.tasks, t)
		}
	}
	if len(p.tasks) == 0 && !p.shown {
		return nil, fmt.Errorf("suite %s measures nothing of %s with %s", s.name, strings.Join(o.Only, ", "), strings.Join(p.machine.Compute, ", "))
	}
	return p, nil
}

// lab is what measurements share.
type lab struct {
	clock
	kernels *kernels.Kernels
	threads []int // to measure on: one and, if it is another number, all
	model   string
	noise   noise
}

// all returns the number of threads that large jobs are measured on.
func (l *lab) all() int { return l.threads[len(l.threads)-1] }
