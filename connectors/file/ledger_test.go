package file

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
)

// goldenLedger is version 1 as it stands on disks: this text must stay readable.
const goldenLedger = `f8ca9fdd {"a3_ledger":1,"run":"model 1, seed 2","compression":"none"}
79e5cca9 {"size":0}
badcd34b {"size":4096,"at":[{"stream":"in.jsonl","partition":-1,"offset":12,"next":3400,"mark":"first:9f86d081884c7d65"}]}
`

func ledgerText(t testing.TB, lines ...any) []byte {
	t.Helper()
	var out []byte
	for _, l := range lines {
		var err error
		if out, err = appendLine(out, l); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

var (
	testHead = ledgerHead{Version: 1, Run: testRun, Compression: "none"}
	posA     = connectors.Origin{Stream: "a", Partition: connectors.NoPartition, Offset: 3, Next: 30, Mark: "m"}
	posA2    = connectors.Origin{Stream: "a", Partition: connectors.NoPartition, Offset: 5, Next: 50, Mark: "m"}
	posK     = connectors.Origin{Stream: "topic", Partition: 2, Offset: 7, Next: 8}
)

func TestLedgerAddsUp(t *testing.T) {
	text := ledgerText(t, testHead, entry(0, nil), entry(10, []connectors.Origin{posA}),
		entry(10, []connectors.Origin{posK}), entry(25, []connectors.Origin{posA2}),
		entry(26, []connectors.Origin{posA}), // behind: does not move back
	)
	state, err := parseLedger(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := state.origins(), []connectors.Origin{posA2, posK}; !reflect.DeepEqual(got, want) || state.size != 26 {
		t.Errorf("size %d, %+v; want %+v", state.size, got, want)
	}
}

// However a crash tears the last line, the lines before it hold.
func TestATornLastLineIsLeftOut(t *testing.T) {
	head := ledgerText(t, testHead, entry(10, []connectors.Origin{posA}))
	full := ledgerText(t, testHead, entry(10, []connectors.Origin{posA}), entry(25, []connectors.Origin{posA2}))
	for n := len(head); n < len(full)-1; n++ {
		if state, err := parseLedger(full[:n]); err != nil || state.size != 10 {
			t.Fatalf("cut at %d of %d: %v", n, len(full), err)
		}
		garbled := bytes.Clone(full)
		garbled[n] ^= 1
		if state, err := parseLedger(garbled); err != nil || state.size != 10 {
			t.Fatalf("garbled at %d of %d: %v", n, len(full), err)
		}
	}
	// Only the line break is missing: all of the entry is there, and so is its output.
	if state, err := parseLedger(full[:len(full)-1]); err != nil || state.size != 25 {
		t.Fatalf("without the line break: %v", err)
	}
}

func TestADamagedLedgerIsAnError(t *testing.T) {
	good := string(ledgerText(t, testHead, entry(10, []connectors.Origin{posA}), entry(25, nil)))
	lines := strings.SplitAfter(good, "\n")
	for what, text := range map[string]string{
		"it is empty":            "",
		"line 1: no checksum":    "\n",
		"line 1: the checksum":   lines[0][:len(lines[0])-5],
		"line 2: the checksum":   lines[0] + strings.Replace(lines[1], `"size":10`, `"size":11`, 1) + lines[2],
		"line 3: size 10 after ": lines[0] + lines[2] + lines[1] + lines[2],
		"version 2 is not known": string(ledgerText(t, ledgerHead{Version: 2})),
	} {
		if _, err := parseLedger([]byte(text)); err == nil && what[:6] != "line 3" || err != nil && !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v, want %q", text, err, what)
		}
	}
}

func TestLedgerOfVersion1(t *testing.T) {
	at := connectors.Origin{Stream: "in.jsonl", Partition: connectors.NoPartition, Offset: 12, Next: 3400, Mark: "first:9f86d081884c7d65"}
	state, err := parseLedger([]byte(goldenLedger))
	if err != nil || state.head != testHead || state.size != 4096 || !reflect.DeepEqual(state.origins(), []connectors.Origin{at}) {
		t.Errorf("read %+v, %v", state, err)
	}
	if got := ledgerText(t, testHead, entry(0, nil), entry(4096, []connectors.Origin{at})); string(got) != goldenLedger {
		t.Errorf("written\n%swant\n%s", got, goldenLedger)
	}
	if page, err := os.ReadFile("../DESIGN.md"); err != nil || !strings.Contains(string(page), goldenLedger) {
		t.Errorf("DESIGN.md shows another ledger (%v)", err)
	}
}

func TestALongLedgerIsRewritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := mustSink(t, path, func(o *SinkOptions) { o.Sync = SyncOnClose })
	s.ledger.rewrite = 2000
	var last connectors.Record
	for i := int64(1); i < 200; i++ {
		last = rec(i, fmt.Sprint(i))
		if err := s.Write(t.Context(), []connectors.Record{last}); err != nil {
			t.Fatal(err)
		}
		if s.ledger.rewrite == compactBytes {
			s.ledger.rewrite = 2000
		}
		if info, err := os.Stat(path + LedgerSuffix); err != nil || info.Size() > 2200 || info.Size() != s.ledger.length {
			t.Fatalf("after %d writes: %d bytes, %d noted, %v", i, info.Size(), s.ledger.length, err)
		}
	}
	crash(s)
	if got, err := mustSink(t, path, nil).Resume(); err != nil || len(got) != 1 || got[0] != last.Origin {
		t.Errorf("resumes at %v, %v", got, err)
	}
}

func FuzzParseLedger(f *testing.F) {
	f.Add([]byte(goldenLedger))
	f.Add(ledgerText(f, testHead, entry(10, []connectors.Origin{posA}), entry(25, []connectors.Origin{posA2, posK})))
	f.Add(ledgerText(f, testHead, entry(-1, nil)))
	f.Add(ledgerText(f, testHead, []int{1}))
	f.Add([]byte("00000000 \n00000000 {}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := parseLedger(data)
		if err != nil {
			return
		}
		again, err := parseLedger(ledgerText(t, state.head, entry(state.size, state.origins())))
		if err != nil || again.size != state.size || len(again.done) != len(state.done) {
			t.Fatalf("the rewritten ledger differs: %v", err)
		}
		for k, o := range state.done {
			if again.done[k] != o {
				t.Fatalf("%v became %v", o, again.done[k])
			}
		}
	})
}
