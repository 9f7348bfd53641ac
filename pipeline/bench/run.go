package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Result is one number.
type Result struct {
	Name    string  `json:"name"`
	Threads int     `json:"threads"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
}

// task is a measurement, or several with the same operands.
type task struct {
	section string
	name    string // for progress and errors
	run     func(ctx context.Context, emit func(Result)) error
}

// within reports whether what was asked for, a section or the beginning of a name, covers
// the task.
func (t task) within(what string) bool {
	return what == t.section || strings.HasPrefix(t.name+"/", strings.TrimSuffix(what, "/")+"/")
}

// Progress says what is being measured.
type Progress struct {
	Task  string
	Done  int // tasks before this one
	Total int
}

// StoppedError is returned when the context ended before all was measured.
type StoppedError struct{ Done, Total int }

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped after %d of %d measurements", e.Done, e.Total)
}

// Run measures one thing after the other. Progress, if it is not nil, is told of each
// before it begins. The report holds what was measured, also beside an error.
func (p *Plan) Run(ctx context.Context, progress func(Progress)) (*Report, error) {
	r := &Report{Suite: p.suite, Machine: p.machine, Results: []Result{}, hideMachine: !p.shown}
	before := readTicks()
	defer func() { r.Others = readTicks().othersSince(before) }()
	for i, t := range p.tasks {
		if progress != nil {
			progress(Progress{Task: t.name, Done: i, Total: len(p.tasks)})
		}
		err := t.run(ctx, func(result Result) { r.Results = append(r.Results, result) })
		switch {
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return r, &StoppedError{i, len(p.tasks)}
		case err != nil:
			return r, fmt.Errorf("measure %s: %w", t.name, err)
		}
	}
	return r, nil
}
