package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestElsewhere: outside of the checkout a strategy is a module that builds without a
// network.
func TestElsewhere(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no Go here to build it with")
	}
	dir := filepath.Join(t.TempDir(), "a place", "last-one") // a path that must be quoted
	files, err := Write(Options{Name: "last-one", Dir: dir, Checkout: repository(t)})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"lastone.go", "lastone_test.go", "cmd/main.go", "go.mod", "go.sum"}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"build", "-o", "plugin", "./cmd"}} {
		cmd := exec.Command(goTool, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "plugin"))
	out, _ := cmd.CombinedOutput() // started by hand it explains itself and fails
	if !strings.Contains(string(out), "last-one 0.1.0 is a decode strategy for a3") {
		t.Errorf("it says %s", out)
	}
}

// TestInside: in the checkout a strategy is one more package.
func TestInside(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module "+module+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "plugins", "one")
	files, err := Write(Options{Name: "one", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"one.go", "one_test.go", "cmd/main.go"}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cmd", "main.go"))
	if err != nil || !strings.Contains(string(text), module+"/plugins/one\"") || strings.Contains(string(text), "starter") {
		t.Errorf("cmd/main.go, %v:\n%s", err, text)
	}
}

func TestRefused(t *testing.T) {
	root := repository(t)
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Name: "One", Dir: "x", Checkout: root}, "lower-case"},
		{Options{Name: "func", Dir: "x", Checkout: root}, "func cannot be"},
		{Options{Name: "s-dk", Dir: "x", Checkout: root}, "sdk cannot be"},
		{Options{Name: "one", Dir: "starter", Checkout: root}, "starter is there already"},
		{Options{Name: "one", Dir: filepath.Join(t.TempDir(), "one")}, "name it with --checkout"},
		{Options{Name: "one", Dir: "x", Checkout: t.TempDir()}, "does not hold the source"},
	} {
		if _, err := Write(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error with %q", c.o, err, c.want)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("a refusal leaves a folder")
	}
}
