package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/any-order/a3/pipeline/bench"
	"github.com/any-order/a3/pipeline/cli"
)

// A signal ends measuring at once; what was measured is printed, and the exit code tells.
func TestBenchStops(t *testing.T) {
	stop := make(chan struct{})
	close(stop)
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), cli.Env{
		Args:   []string{"bench", "--json", "--only", "gemm", "--duration", "1h"},
		Stdout: &stdout, Stderr: &stderr, Stop: stop,
	})
	if code != cli.ExitStopped || !strings.Contains(stderr.String(), "a3: stopped after 0 of ") {
		t.Errorf("exit code %d, %s", code, &stderr)
	}
	var report bench.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || report.Machine.CPUs == 0 {
		t.Errorf("printed %s: %v", &stdout, err)
	}
}

// The level comes from the environment if the command line does not say it.
func TestBenchLevel(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{{nil, "level     portable, of"}, {[]string{"--level", "avx512x"}, ""}} {
		var stdout, stderr bytes.Buffer
		code := cli.Run(t.Context(), cli.Env{
			Args: append([]string{"bench", "--only", "machine"}, c.args...), Stdout: &stdout, Stderr: &stderr,
			Environ: []string{"A3_CPU=portable"}, Stop: make(chan struct{}),
		})
		if (code == cli.ExitOK) != (c.want != "") || !strings.Contains(stdout.String(), c.want) {
			t.Errorf("%v: exit code %d, printed %s%s", c.args, code, &stdout, &stderr)
		}
	}
}
