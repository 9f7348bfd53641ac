package cli_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

// The scripts are what a user types and sees. A file there has its commands first, then
// the files they work on. Two commands are ours:
//
//	exit CODE a3 ...    the command line ends with this exit code
//	model DIR [FAULT]   makes a tiny model, broken as told
//
// $EXAMPLES and $TESTDATA are the folders of those names.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../examples")
	if err != nil {
		t.Fatal(err)
	}
	testdata, err := filepath.Abs("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "../testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLES", examples)
			e.Setenv("TESTDATA", testdata)
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return modelstest.Write(filepath.Join(e.WorkDir, "tiny"), 1)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit":  exitCode,
			"model": makeModel,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func makeModel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: model DIR [FAULT]")
	}
	m, err := modelstest.New(1)
	ts.Check(err)
	dir, fault := ts.MkAbs(args[0]), append(args, "")[1]
	ts.Check(breakModel(&m, fault))
	ts.Check(checkpoint.WriteModel(context.Background(), dir, m))
	ts.Check(breakWeights(filepath.Join(dir, "model.safetensors"), fault))
}

// breakWeights breaks what WriteModel would refuse to write.
func breakWeights(path, fault string) error {
	weights, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch last := len(weights) - 4; fault {
	case "nan":
		binary.LittleEndian.PutUint32(weights[last:], math.Float32bits(float32(math.NaN())))
	case "truncated":
		weights = weights[:last]
	}
	return os.WriteFile(path, weights, 0o644)
}

func breakModel(m *checkpoint.NewModel, fault string) error {
	switch fault {
	case "", "nan", "truncated":
	case "shape": // a network of another width
		m.Config.IntermediateSize *= 2
	case "missing":
		m.Weights = m.Weights[1:]
	case "vocabulary": // a tokenizer of more tokens than the network knows
		m.Config.VocabSize -= 10
	case "no-tokenizer":
		m.Tokenizer = nil
	case "torn-tokenizer":
		m.Tokenizer = m.Tokenizer[:len(m.Tokenizer)/2]
	default:
		return fmt.Errorf("fault %q is not known", fault)
	}
	return nil
}
