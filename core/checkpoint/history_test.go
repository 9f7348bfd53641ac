package checkpoint

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func someHistory() []TrainingRun {
	return []TrainingRun{
		{Seed: 1 << 63, Batch: 64, Steps: 10, Documents: 5, Compute: "float32", CPULevel: "portable", Tool: "test"},
		{
			Init: strings.Repeat("a", 64), Seed: 2, Batch: 128, Steps: 20, Skipped: 1, HeldOut: map[string]float64{"ltr": 3.25},
			Stages: []TrainedStage{
				{Name: "first", Phases: "blocks:1 > blocks:2", Steps: 5, Tokens: 600, Early: true, HeldOut: map[string]float64{"ltr": 3}},
				{Name: "then", Phases: "ltr", Steps: 15, Tokens: 1800},
			},
		},
	}
}

func TestHistoryComesBack(t *testing.T) {
	want := someHistory()
	text, err := encodeHistory(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseHistory(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}

	many := make([]TrainingRun, maxHistoryRuns+3)
	for i := range many {
		many[i].Steps = i
	}
	if text, err = encodeHistory(many); err != nil {
		t.Fatal(err)
	}
	if got, err := parseHistory(text); err != nil || len(got) != maxHistoryRuns || got[0].Steps != 3 {
		t.Errorf("of %d runs %d are left: %v", len(many), len(got), err)
	}
	if _, err := encodeHistory([]TrainingRun{{HeldOut: map[string]float64{"ltr": math.NaN()}}}); err == nil {
		t.Error("a loss of NaN is written")
	}
	if _, err := encodeHistory([]TrainingRun{{Tool: strings.Repeat("x", maxHistoryBytes)}}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a history beyond its bound: %v", err)
	}
}

func TestHistoryIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		``: "cut off",
		`{"format": "a3", "version": 1, "runs": []}`:                                    `format: "a3", want "a3-training"`,
		`{"format": "a3-training", "version": 2, "runs": []}`:                           "version: 2",
		`{"format": "a3-training", "version": 1}`:                                       "runs: is missing",
		`{"format": "a3-training", "version": 1, "runs": [], "more": 1}`:                `unknown field "more"`,
		`{"format": "a3-training", "version": 1, "runs": [{"speed": 1}]}`:               `unknown field "speed"`,
		`{"format": "a3-training", "version": 1, "runs": [null]}`:                       "null is not allowed",
		`{"format": "a3-training", "version": 1, "runs": [{"steps": -1}]}`:              "run 1: batch, steps",
		`{"format": "a3-training", "version": 1, "runs": [{"stages":[{"tokens":-1}]}]}`: "run 1: stage 1: steps or tokens",
		`{"format": "a3-training", "version": 1, "runs": [{"held_out":{"ltr":1e999}}]}`: "want float64",
	} {
		_, err := parseHistory([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "training.json: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
		if newer := strings.Contains(text, `"version": 2`); errors.Is(err, ErrVersion) != newer {
			t.Errorf("%s: %v", text, err)
		}
	}
	many := `{"format": "a3-training", "version": 1, "runs": [` + strings.Repeat("{},", maxHistoryRuns) + `{}]}`
	if _, err := parseHistory([]byte(many)); err == nil || !strings.Contains(err.Error(), "at most 64") {
		t.Errorf("too many runs: %v", err)
	}
}

// The history stands in a model's directory, and a damaged one is named.
func TestModelHistory(t *testing.T) {
	dir := t.TempDir() + "/model"
	m := newModel(t)
	m.History = someHistory()
	if err := WriteModel(t.Context(), dir, m); err != nil {
		t.Fatal(err)
	}
	back, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if !reflect.DeepEqual(back.History, m.History) {
		t.Errorf("%+v\nwant\n%+v", back.History, m.History)
	}
	if _, err := OpenModelFS(fstest.MapFS{
		configName:  {Data: back.configText},
		historyName: {Data: []byte("{}")},
	}); err == nil || !strings.Contains(err.Error(), "training.json: format: is missing") {
		t.Errorf("a damaged history: %v", err)
	}
}

func FuzzHistory(f *testing.F) {
	text, err := encodeHistory(someHistory())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format": "a3-training", "version": 1, "runs": [{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		runs, err := parseHistory(text)
		if err != nil {
			return
		}
		again, err := encodeHistory(runs)
		if err != nil {
			t.Skip() // longer in its canonical form
		}
		back, err := parseHistory(again)
		if err != nil || len(back) != len(runs) {
			t.Errorf("what was read is not written: %v", err)
		}
	})
}
