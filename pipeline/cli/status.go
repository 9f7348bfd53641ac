package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/any-order/a3/pipeline"
)

// statusLine is standard error with, on a terminal, a last line that is written over.
// Whatever else is written wipes that line first.
type statusLine struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	shown bool // mu
}

func newStatusLine(w io.Writer) *statusLine {
	return &statusLine{w: w, terminal: isTerminal(w)}
}

// Write implements io.Writer.
func (s *statusLine) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		s.shown = false
		if _, err := io.WriteString(s.w, wipe); err != nil {
			return 0, err
		}
	}
	return s.w.Write(text)
}

// show puts text in the place of the line shown before.
func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = true
	fmt.Fprint(s.w, wipe, text) // decoration: an error will show in a Write
}

// wipe empties the line that the cursor is in.
const wipe = "\r\033[K"

// isTerminal reports whether a stream of this process, an *os.File, is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// jobProgress prints how far a job is, on a terminal in a line that is written over,
// elsewhere once a minute, and a summary; or logs it.
type jobProgress struct {
	status  *statusLine
	log     *slog.Logger // nil = words
	inPlace bool
	start   time.Time
	last    time.Time
}

// newJobProgress returns the progress of a job whose records go to stdout or, if that
// is false, elsewhere: a status line among the records would garble them.
func newJobProgress(env *Env, toStdout bool) *jobProgress {
	now := time.Now()
	log := env.jsonLog()
	inPlace := log == nil && env.status.terminal && !(toStdout && isTerminal(env.Stdout))
	return &jobProgress{status: env.status, log: log, inPlace: inPlace, start: now, last: now}
}

func (p *jobProgress) report(c pipeline.Counts) {
	every := time.Minute
	if p.inPlace {
		every = 200 * time.Millisecond
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	p.tell("progress", c)
}

// tell shows, prints or logs the counts.
func (p *jobProgress) tell(what string, c pipeline.Counts) {
	switch {
	case p.log != nil:
		p.log.Info(what, "records", c.Read, "written", c.Written, "failed", c.Failed, "unchanged", c.Unchanged, "dropped", c.Dropped,
			"recalled", c.Recalled, "taken", c.Taken,
			"tokens", c.Tokens, "model_calls", c.ModelCalls, "seconds", time.Since(p.start).Seconds())
	case p.inPlace && what == "progress":
		p.status.show(p.line(c))
	default:
		fmt.Fprintln(p.status, p.line(c))
	}
}

func (p *jobProgress) summary(c pipeline.Counts) {
	if c.Read == 0 && p.log == nil {
		fmt.Fprintln(p.status, "0 records: the input is empty, or the output has them already")
		return
	}
	p.tell("done", c)
}

func (p *jobProgress) line(c pipeline.Counts) string {
	text := plural(c.Read, "record")
	for _, part := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Unchanged, "unchanged"}, {c.Dropped, "dropped"},
		{c.Recalled, "from the journal"}, {c.Taken, "taken by other workers"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	seconds := time.Since(p.start).Seconds()
	return fmt.Sprintf("%s, %s in %s, %.1f s, %.0f tokens/s", text,
		plural(c.Tokens, "token"), plural(c.ModelCalls, "model call"), seconds, float64(c.Tokens)/seconds)
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
