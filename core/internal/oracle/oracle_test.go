package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	if _, err := os.Stat(filepath.Join(Root(), "go.mod")); err != nil {
		t.Fatalf("the repository's root: %v", err)
	}
	for _, c := range []struct{ value, want string }{
		{"", filepath.Join(Root(), "core", "internal", "oracle", "testdata")},
		{"golden", filepath.Join(Root(), "golden")},
		{filepath.Join("..", "golden"), filepath.Join(filepath.Dir(Root()), "golden")},
		{t.TempDir(), ""},
	} {
		if c.want == "" {
			c.want = c.value // absolute
		}
		if got := folder(c.value); got != c.want {
			t.Errorf("A3_ORACLE=%q: folder %s, want %s", c.value, got, c.want)
		}
	}
}

// Whatever set is used, it must hold something of every kind.
func TestEveryKindIsThere(t *testing.T) {
	s := Open(t)
	for _, kind := range []string{"forward_backward", "two_stream", "dynamic", "train"} {
		if len(s.of(kind)) == 0 {
			t.Errorf("%s holds no case of kind %s", s.Dir, kind)
		}
	}
	residuals := make(map[string]bool)
	for _, c := range s.of("forward_backward") {
		residuals[c.Residual] = true
	}
	if len(residuals) != 2 {
		t.Errorf("forward_backward cases have the residuals %v, want both", residuals)
	}
	if len(s.of("no such kind")) != 0 {
		t.Error("a kind that does not exist has cases")
	}
}

// A set that would test nothing, or something else than was recorded, is refused.
func TestReadRefuses(t *testing.T) {
	const digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	const list = `"cases":[{"case":"a","kind":"train"}],"files":[{"path":"x","sha256":"` + digest + `"}]`
	for _, c := range []struct{ name, manifest, content, want string }{
		{"no manifest", "", "", "manifest.json"},
		{"no JSON", "{", "", "unexpected end"},
		{"no case", `{"cases":[],"files":[{"path":"x"}]}`, "hello", "0 cases"},
		{"no file", `{"cases":[{"case":"a"}]}`, "", "0 files"},
		{"file missing", "{" + list + "}", "", "golden file"},
		{"file changed", "{" + list + "}", "hullo", "digest"},
		{"valid", "{" + list + "}", "hello", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range map[string]string{"manifest.json": c.manifest, "x": c.content} {
				if content == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := read(dir)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}
