package training

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// runLog is train.jsonl: a line a step, for plots. It is not needed to resume; lines of
// steps that will be taken again are cut.
type runLog struct{ f *os.File }

// logLine is one line of train.jsonl: a step, from 0, with the held-out losses after it
// where they were measured. The first line, of step -1, has those before. Times stay out of it: a run that is repeated
// writes the same bytes.
type logLine struct {
	Step      int                `json:"step"`
	Stage     string             `json:"stage"`
	Loss      float64            `json:"loss,omitempty"`      // left out if the step was skipped
	GradNorm  float64            `json:"grad_norm,omitempty"` // the same
	Skipped   string             `json:"skipped,omitempty"`   // why
	Rate      float64            `json:"lr"`
	Positions int                `json:"positions"`
	HeldOut   map[string]float64 `json:"held_out,omitempty"`
}

func openLog(dir string, from int) (*runLog, error) {
	path := filepath.Join(dir, "train.jsonl")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	size, err := linesBefore(f, from)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the log %s: %w", path, err), f.Close())
	}
	return &runLog{f}, nil
}

// linesBefore returns the bytes taken by whole lines of steps before the given one.
func linesBefore(f *os.File, step int) (int64, error) {
	var size int64
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		var l logLine
		if json.Unmarshal(line, &l) != nil || l.Step >= step || step == 0 {
			return size, nil
		}
		size += int64(len(line))
	}
}

// begin writes the line before the first step.
func (l *runLog) begin(stage string, losses map[string]float64) error {
	return l.line(struct {
		Step    int                `json:"step"`
		Stage   string             `json:"stage"`
		HeldOut map[string]float64 `json:"held_out,omitempty"`
	}{-1, stage, losses})
}

func (l *runLog) write(p *Progress) error {
	line := logLine{
		Step: p.Step, Stage: p.Stage, Loss: p.Loss, GradNorm: p.GradNorm, Skipped: p.Skipped,
		Rate: p.Rate, Positions: p.Positions, HeldOut: p.HeldOut,
	}
	if p.Skipped != "" { // JSON has no NaN
		line.Loss, line.GradNorm = 0, 0
	}
	return l.line(line)
}

func (l *runLog) line(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := l.f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

func (l *runLog) Close() error {
	if err := l.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
