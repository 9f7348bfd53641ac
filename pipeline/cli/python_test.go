//go:build unix

package cli_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/pipeline/cli"
)

// TestPythonExample holds the example in Python to the suite, and fills a document with
// it, where there is a Python with gRPC.
func TestPythonExample(t *testing.T) {
	if out, err := exec.Command("python3", "-c", "import grpc").CombinedOutput(); err != nil {
		t.Skipf("no python3 with grpcio here (python3 -m pip install grpcio): %v\n%s", err, out)
	}
	path, err := filepath.Abs("../../decoder-plugins/python/margin.py")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, nil, "plugins", "check", path+":least=0.25")
	if r.code != cli.ExitOK || !strings.HasPrefix(r.stdout, "margin 1.0.0 (least=0.25)") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := run(t, nil, "plugins", "check", path+":least=2"); r.code != cli.ExitUsage || !strings.Contains(r.stderr, "0 to 1") {
		t.Errorf("a parameter out of range: exit code %d, %s", r.code, r.stderr)
	}
	documents := strings.NewReader(`{"text":"Once {{blank:3}} a time there was a {{blank:2}}."}` + "\n")
	r = run(t, documents, "infill", "--strategy", path, "--quiet")
	if r.code != cli.ExitOK || !strings.Contains(r.stdout, `"tokens":5}`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
