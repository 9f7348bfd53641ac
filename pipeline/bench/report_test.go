package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

func report() *Report {
	return &Report{
		Suite: DefaultSuite,
		Machine: Machine{
			OS: "linux", Arch: "amd64", Go: "go1.26", Processor: "An Example 9000", CPUs: 4, Threads: 2,
			Features: []string{"avx2", "fma"}, Levels: []string{"avx2", "portable"}, Level: "avx2", Compute: []string{"float32"},
		},
		Results: []Result{
			{"memory/read/1MB", 1, 181.25, "GB/s"},
			{"memory/read/1MB", 2, 361, "GB/s"},
			{"gemm/float32/1x1536x576", 1, 9.876, "GFLOP/s"},
			{"gemm/float32/1x1536x576", 2, 12345.6, "GFLOP/s"},
			{"train/stories/float32", 2, 0.0625, "tokens/s"},
		},
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	r := report()
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("---\n")
	r.hideMachine = true
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("---\n")
	r.Results, r.Others = r.Results[:1], 0.251
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("---\n")
	none := &Report{Machine: Machine{OS: "plan9", Arch: "riscv64", Go: "go1.26", CPUs: 1, Threads: 1, Levels: []string{"portable"}, Level: "portable", Compute: []string{"float32"}}}
	if err := none.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "table.txt", b.String())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "report.json", b.String())
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back.Results) != 5 || back.Results[3] != report().Results[3] {
		t.Errorf("read back %+v, %v", back, err)
	}
}

// The machine of this test is told truly.
func TestMachine(t *testing.T) {
	p, err := New(DefaultOptions(3))
	if err != nil {
		t.Fatal(err)
	}
	if m := p.machine; m.Threads != 3 || m.CPUs < 1 || m.Level != m.Levels[0] || len(m.Compute) == 0 || m.OS == "" {
		t.Errorf("machine %+v", m)
	}
}
