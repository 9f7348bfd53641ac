package explain

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The page's script, on a document that has what it uses of a browser's: it replays the
// table, by buttons, slider and keys.
func TestReplay(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("the page's script is run where there is node")
	}
	got, err := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "replay.js"), "page.js").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "replay.golden"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the replay is\n%s\nwant\n%s", got, want)
	}
}
