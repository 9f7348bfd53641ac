package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/any-order/a3/pipeline/training"
)

// trainProgress prints a line every few seconds on a terminal and every minute
// elsewhere, for the first and the last step, and where held-out losses were measured.
type trainProgress struct {
	w     io.Writer
	every time.Duration
	start time.Time
	last  time.Time // of the last line
	taken int       // steps of this process
	trained
	since trained // the last line
}

// trained is an amount of training.
type trained struct {
	positions int
	elapsed   time.Duration // in steps: not in held-out losses and checkpoints
}

func (t *trained) add(p training.Progress) {
	t.positions += p.Positions
	t.elapsed += p.Elapsed
}

func (t *trained) rate() float64 { return float64(t.positions) / max(t.elapsed.Seconds(), 1e-9) }

func newTrainProgress(s *statusLine) *trainProgress {
	p := &trainProgress{w: s, every: time.Minute, start: time.Now()}
	if s.terminal {
		p.every = 2 * time.Second
	}
	return p
}

func (t *trainProgress) report(p training.Progress) {
	t.taken++
	t.add(p)
	t.since.add(p)
	done := p.Step + 1
	if time.Since(t.last) < t.every && p.HeldOut == nil && done < p.Steps {
		return
	}
	eta := time.Since(t.start) / time.Duration(t.taken) * time.Duration(p.Steps-done)
	fmt.Fprintf(t.w, "step %d/%d  %s  loss %.4f  norm %.2f  lr %.2g  %.0f tokens/s  ETA %s\n",
		done, p.Steps, p.Stage, p.Loss, p.GradNorm, p.Rate, t.since.rate(), eta.Round(time.Second))
	if len(p.HeldOut) > 0 {
		fmt.Fprintf(t.w, "  held out: %s\n", formatLosses(p.HeldOut))
	}
	t.last, t.since = time.Now(), trained{}
}

func (t *trainProgress) summary(steps int, out *training.Outcome) {
	if t.taken == 0 {
		fmt.Fprintf(t.w, "all %d steps were done before\n", steps)
	} else {
		fmt.Fprintf(t.w, "steps %d to %d of %d, %d tokens in %s, %.0f tokens/s\n",
			out.Resumed+1, out.Resumed+t.taken, steps, t.positions, time.Since(t.start).Round(time.Second), t.rate())
	}
	if len(out.HeldOut) > 0 {
		fmt.Fprintf(t.w, "held-out loss, nats a token: %s\n", formatLosses(out.HeldOut))
	}
	fmt.Fprintf(t.w, "model in %s\n", out.Model)
}

func formatLosses(losses map[string]float64) string {
	names := make([]string, 0, len(losses))
	for name := range losses {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s %.4f", name, losses[name])
	}
	return strings.Join(parts, ", ")
}
