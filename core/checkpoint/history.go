package checkpoint

import (
	"errors"
	"fmt"
	"math"
)

const (
	historyName     = "training.json"
	historyFormat   = "a3-training"
	historyVersion  = 1
	maxHistoryBytes = 1 << 20
	maxHistoryRuns  = 64 // the oldest are left out
)

// TrainingRun is what training.json says of one run that a model went through.
type TrainingRun struct {
	Init      string             `json:"init"` // digest of the model that it started from; empty = random weights
	Seed      uint64             `json:"seed"`
	Batch     int                `json:"batch"` // most positions of a step
	Steps     int                `json:"steps"`
	Skipped   int                `json:"skipped"`   // of the steps, those that changed nothing
	Documents int                `json:"documents"` // trained on
	Compute   string             `json:"compute"`
	CPULevel  string             `json:"cpu_level"`
	Tool      string             `json:"tool"`
	HeldOut   map[string]float64 `json:"held_out,omitempty"` // losses by order before the first step, in nats a token
	Stages    []TrainedStage     `json:"stages,omitempty"`
}

// TrainedStage is a part of a run that has ended.
type TrainedStage struct {
	Name    string             `json:"name"`
	Phases  string             `json:"phases"` // the groupings, such as "blocks:1 > blocks:2"
	Steps   int                `json:"steps"`
	Tokens  int64              `json:"tokens"`             // positions
	Early   bool               `json:"early,omitempty"`    // ended because its held-out loss no longer fell
	HeldOut map[string]float64 `json:"held_out,omitempty"` // losses after it
}

// encodeHistory returns the text of training.json for the runs, the oldest first.
func encodeHistory(runs []TrainingRun) ([]byte, error) {
	runs = runs[max(0, len(runs)-maxHistoryRuns):]
	for i := range runs {
		if err := runs[i].validate(); err != nil {
			return nil, fmt.Errorf("%s: run %d: %w", historyName, i+1, err)
		}
	}
	text, err := encodeJSON(struct {
		Format  string        `json:"format"`
		Version int           `json:"version"`
		Runs    []TrainingRun `json:"runs"`
	}{historyFormat, historyVersion, runs})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", historyName, err)
	}
	if len(text) > maxHistoryBytes {
		return nil, fmt.Errorf("%s: %d bytes, at most %d are allowed", historyName, len(text), maxHistoryBytes)
	}
	return text, nil
}

// parseHistory reads training.json. A newer version is ErrVersion.
func parseHistory(text []byte) ([]TrainingRun, error) {
	f := newFields(text)
	format, version := "", 0
	var runs []TrainingRun
	if need(f, "format", &format); format != historyFormat {
		f.fail("format", "%s, want %q", quote(format), historyFormat)
	}
	if need(f, "version", &version); version > historyVersion {
		f.fail("version", "%d, this program reads %d: %w", version, historyVersion, ErrVersion)
	} else if version < 1 {
		f.fail("version", "%d, want %d", version, historyVersion)
	}
	need(f, "runs", &runs)
	if err := f.done(); err != nil {
		return nil, fmt.Errorf("%s: %w", historyName, err)
	}
	if len(runs) > maxHistoryRuns {
		return nil, fmt.Errorf("%s: %d runs, at most %d are allowed", historyName, len(runs), maxHistoryRuns)
	}
	for i := range runs {
		if err := runs[i].validate(); err != nil {
			return nil, fmt.Errorf("%s: run %d: %w", historyName, i+1, err)
		}
	}
	return runs, nil
}

func (r *TrainingRun) validate() error {
	if r.Batch < 0 || r.Steps < 0 || r.Skipped < 0 || r.Documents < 0 {
		return errors.New("batch, steps, skipped or documents is negative")
	}
	if err := finiteLosses(r.HeldOut); err != nil {
		return err
	}
	for i, s := range r.Stages {
		if s.Steps < 0 || s.Tokens < 0 {
			return fmt.Errorf("stage %d: steps or tokens is negative", i+1)
		}
		if err := finiteLosses(s.HeldOut); err != nil {
			return fmt.Errorf("stage %d: %w", i+1, err)
		}
	}
	return nil
}

func finiteLosses(losses map[string]float64) error {
	for _, key := range sortedKeys(losses) {
		if v := losses[key]; math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("held_out: %s is %v, want a number", quote(key), v)
		}
	}
	return nil
}
