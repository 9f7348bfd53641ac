package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/any-order/a3/core/checkpoint"
)

// run is one training run that has ended.
type run struct {
	seed   uint64
	points []point // in the order of training; the first is before the first step
	about  checkpoint.TrainingRun
}

// point is the held-out losses after so many tokens, by order, in nats a token.
type point struct {
	tokens int64
	losses map[string]float64
}

// maxLine bounds a line of train.jsonl.
const maxLine = 1 << 20

// readLog reads the measured points of a train.jsonl.
func readLog(r io.Reader) ([]point, error) {
	var points []point
	var tokens int64
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var l struct {
			Positions int64              `json:"positions"`
			HeldOut   map[string]float64 `json:"held_out"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if l.Positions < 0 || l.Positions > math.MaxInt64-tokens {
			return nil, fmt.Errorf("line %d: positions is %d", n, l.Positions)
		}
		tokens += l.Positions
		if len(l.HeldOut) > 0 {
			points = append(points, point{tokens, l.HeldOut})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(points) < 2 {
		return nil, errors.New("it has no held-out losses before and after training")
	}
	return points, nil
}

// readRun reads the directory of a run. One that has not ended has no model: it is
// fs.ErrNotExist.
func readRun(dir string) (*run, error) {
	m, err := checkpoint.OpenModel(filepath.Join(dir, "model"))
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if len(m.History) == 0 {
		return nil, fmt.Errorf("%s: its model has no training.json", dir)
	}
	f, err := os.Open(filepath.Join(dir, "train.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("%s has a model and no log: %s", dir, err) // not a run that goes on
	}
	defer f.Close()
	points, err := readLog(f)
	if err != nil {
		return nil, fmt.Errorf("%s: train.jsonl: %w", dir, err)
	}
	about := m.History[len(m.History)-1]
	return &run{about.Seed, points, about}, nil
}

// readRuns reads the runs NAME-SEED in a directory, by ascending seed as text.
func readRuns(dir, name string) ([]*run, error) {
	paths, err := filepath.Glob(filepath.Join(dir, name+"-[0-9]*"))
	if err != nil {
		return nil, err
	}
	var runs []*run
	for _, path := range paths {
		if s, err := os.Stat(path); err != nil || !s.IsDir() {
			continue // its configuration
		}
		r, err := readRun(path)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "%s has not ended: left out\n", path)
			continue
		}
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("no run %s-SEED has ended in %s", name, dir)
	}
	return runs, nil
}
