package cli_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/any-order/a3/pipeline/cli"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

const tinyRun = `
model: {hidden: 16, ffn: 24, layers: 1, heads: 2, kv_heads: 1, context: 48}
vocab: 300
batch: 128
optimizer: {steps: 60}
held_out: 4
save_every: 3
`

// stages adds to tinyRun what is decided while a run goes on: stages that end early, and
// the best checkpoint.
const stages = `
keep_best: spans
curriculum:
- {name: first, steps: 30, phases: [ltr], advance: {order: ltr, patience: 2, min_delta: 100, every: 4}}
- {name: second, tokens: 2560, phases: ["blocks:2", "permuted:4=0.9,next=0.1"], lr: 0.001, advance: {order: spans, patience: 1, min_delta: 0.001, every: 5}}
- {name: third, phases: ["spans=0.5,ltr=0.5"], schedule: linear}
`

// corpusFile writes the documents and the settings of a tiny run.
func corpusFile(t *testing.T, dir string) (corpus, config string) {
	t.Helper()
	var docs []string
	for _, story := range modelstest.Stories(40) {
		line, err := json.Marshal(map[string]string{"text": story})
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(line))
	}
	return writeFile(t, filepath.Join(dir, "corpus.jsonl"), text(docs)), writeFile(t, filepath.Join(dir, "run.yaml"), tinyRun)
}

// Guarantee 6: however often a run is killed, and wherever, its model is in the end the
// one of a run that was left alone.
func TestKilledTrainingGoesOn(t *testing.T) {
	needUnix(t)
	dir := t.TempDir()
	corpus, config := corpusFile(t, dir)
	writeFile(t, config, strings.Replace(tinyRun, "steps: 60", "steps: 60, spike: 1.3, skips: 60", 1)+stages)
	args := []string{"train", "--config", config, corpus, "-o"}
	alone, killed := filepath.Join(dir, "alone"), filepath.Join(dir, "killed")
	succeed(t, append(args, alone)...)

	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	kills, midway := 0, 0
	for left := 6; ; left-- {
		cmd := process(t, append(args, killed)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if left > 0 {
			growBy(filepath.Join(killed, "train.jsonl"), 1+rng.Int64N(int64(len(readFile(t, filepath.Join(alone, "train.jsonl"))))/5))
			_ = cmd.Process.Kill() // it may have ended
		}
		err := cmd.Wait()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatal(err)
		}
		kills++
		if _, err := os.Stat(filepath.Join(killed, "model")); errors.Is(err, fs.ErrNotExist) {
			midway++
		}
	}
	if !strings.Contains(readFile(t, filepath.Join(alone, "train.jsonl")), `"skipped"`) {
		t.Error("no step was skipped: the test proves too little")
	}
	if midway == 0 {
		t.Errorf("none of %d kills came in the middle", kills)
	}
	for _, name := range []string{"model/model.safetensors", "model/config.json", "model/tokenizer.json", "model/card.md", "model/training.json", "train.jsonl", "step-00000060/optimizer.safetensors", "step-00000060/manifest.json"} {
		if readFile(t, filepath.Join(alone, name)) != readFile(t, filepath.Join(killed, name)) {
			t.Errorf("%s has other bytes after %d kills", name, kills)
		}
	}
}

// A termination signal makes a run write a checkpoint and end.
func TestStoppedTraining(t *testing.T) {
	needUnix(t)
	dir := t.TempDir()
	corpus, config := corpusFile(t, dir)
	out := filepath.Join(dir, "run")
	args := []string{"train", "--config", config, "--steps", "20000", corpus, "-o", out}
	cmd := process(t, args...)
	stderr := newLineCounter()
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, 2) // the first step is taken
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != cli.ExitStopped {
		t.Fatalf("%v\n%s", err, stderr.text())
	}
	if got := stderr.text(); !strings.Contains(got, "a3: stopped after step ") || !strings.Contains(got, " of 20000; the same command goes on from there") {
		t.Errorf("said %s", got)
	}
	steps, err := filepath.Glob(filepath.Join(out, "step-*"))
	if err != nil || len(steps) == 0 {
		t.Errorf("no checkpoint: %v, %v", steps, err)
	}
}
