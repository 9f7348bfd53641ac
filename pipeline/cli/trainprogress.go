package cli

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/training"
)

// trainProgress prints a line every few seconds on a terminal and every minute
// elsewhere, for the first and the last step, and where held-out losses were measured.
type trainProgress struct {
	w     io.Writer
	log   *slog.Logger // nil = words
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

func newTrainProgress(env *Env) *trainProgress {
	p := &trainProgress{w: env.status, log: env.jsonLog(), every: time.Minute, start: time.Now()}
	if env.status.terminal {
		p.every = 2 * time.Second
	}
	return p
}

func (t *trainProgress) begin(heldOut map[string]float64) {
	switch {
	case len(heldOut) == 0:
	case t.log != nil:
		t.log.Info("before the first step", "held_out", heldOut)
	default:
		fmt.Fprintf(t.w, "before the first step\n  held out: %s\n", formatLosses(heldOut))
	}
}

func (t *trainProgress) report(p training.Progress) {
	t.taken++
	t.add(p)
	t.since.add(p)
	done := p.Step + 1
	switch {
	case p.Skipped == "":
	case t.log != nil:
		t.log.Warn("step skipped", "step", done, "reason", p.Skipped)
	default:
		fmt.Fprintf(t.w, "step %d/%d  skipped: %s\n", done, p.Steps, p.Skipped)
	}
	if time.Since(t.last) < t.every && p.HeldOut == nil && done < p.Steps {
		return
	}
	defer func() { t.last, t.since = time.Now(), trained{} }()
	if t.log != nil {
		t.log.Info("progress", "step", done, "steps", p.Steps, "stage", p.Stage, "loss", p.Loss, "norm", p.GradNorm, "lr", p.Rate,
			"tokens_per_second", t.since.rate(), "held_out", p.HeldOut, "saved", p.Saved)
		return
	}
	eta := time.Since(t.start) / time.Duration(t.taken) * time.Duration(p.Steps-done)
	fmt.Fprintf(t.w, "step %d/%d  %s  loss %.4f  norm %.2f  lr %.2g  %.0f tokens/s  ETA %s\n",
		done, p.Steps, p.Stage, p.Loss, p.GradNorm, p.Rate, t.since.rate(), eta.Round(time.Second))
	if len(p.HeldOut) > 0 {
		fmt.Fprintf(t.w, "  held out: %s\n", formatLosses(p.HeldOut))
	}
}

func (t *trainProgress) summary(out *training.Outcome) {
	if t.log != nil {
		t.log.Info("done", "steps", out.Run.Steps, "taken", t.taken, "tokens", t.positions, "seconds", time.Since(t.start).Seconds(),
			"held_out", out.Run.HeldOut, "model", out.Model)
		return
	}
	if t.taken == 0 {
		fmt.Fprintf(t.w, "all %d steps were done before\n", out.Run.Steps)
	} else {
		fmt.Fprintf(t.w, "steps %d to %d of %d, %d tokens in %s, %.0f tokens/s\n",
			out.Resumed+1, out.Resumed+t.taken, out.Run.Steps, t.positions, time.Since(t.start).Round(time.Second), t.rate())
	}
	if len(out.Run.HeldOut) > 0 {
		fmt.Fprint(t.w, lossTable(&out.Run))
	}
	fmt.Fprintf(t.w, "model in %s\n", out.Model)
}

// lossTable shows the held-out losses before the first step and after each stage.
func lossTable(run *checkpoint.TrainingRun) string {
	var b strings.Builder
	orders := slices.DeleteFunc(training.Orders(), func(name string) bool {
		_, ok := run.HeldOut[name]
		return !ok
	})
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(stage string, steps int, tokens int64, losses map[string]float64) {
		fmt.Fprintf(w, "%s\t%d\t%d\t", stage, steps, tokens)
		for _, name := range orders {
			fmt.Fprintf(w, "%.4f\t", losses[name])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "held-out loss, nats a token\tsteps\ttokens\t%s\t\n", strings.Join(orders, "\t"))
	row("before the first step", 0, 0, run.HeldOut)
	steps, tokens := 0, int64(0)
	for _, s := range run.Stages {
		steps, tokens = steps+s.Steps, tokens+s.Tokens
		name := "after " + s.Name
		if s.Early {
			name += " (early)"
		}
		row(name, steps, tokens, s.HeldOut)
	}
	w.Flush()
	return b.String()
}

func formatLosses(losses map[string]float64) string {
	var parts []string
	for _, name := range training.Orders() {
		if loss, ok := losses[name]; ok {
			parts = append(parts, fmt.Sprintf("%s %.4f", name, loss))
		}
	}
	return strings.Join(parts, ", ")
}
