package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/any-order/a3"

// A tree is the repository as the rules see it.
type tree struct {
	fset  *token.FileSet
	files []*file
}

// A file is one that people read: Go, assembly, pages, configuration, scripts.
// Folders named testdata hold whatever their tests need and are no part of it.
type file struct {
	name      string // slash-separated, from the root
	folder    string // "." is the root
	text      string
	syntax    *ast.File // nil if it is not Go
	test      bool      // *_test.go
	generated bool
}

// read reads the files of a source tree.
func read(root fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if base == "testdata" || (strings.HasPrefix(base, ".") && base != "." && base != ".ci") {
				return fs.SkipDir
			}
			return nil
		}
		isGo := path.Ext(name) == ".go"
		if !isGo && !slices.Contains([]string{".s", ".md", ".proto", ".yaml", ".yml"}, path.Ext(name)) &&
			base != "Dockerfile" && name != ".ci/run" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f := &file{name: name, folder: path.Dir(name), text: string(text), test: strings.HasSuffix(name, "_test.go")}
		if isGo {
			if f.syntax, err = parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
				return err
			}
			f.generated = ast.IsGenerated(f.syntax)
		} else {
			f.generated = strings.HasPrefix(f.text, "// Code generated ")
		}
		t.files = append(t.files, f)
		return nil
	})
	return t, err
}

// imports are the paths that a Go file imports.
func (f *file) imports() []string {
	var paths []string
	for _, s := range f.syntax.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			p = s.Path.Value
		}
		paths = append(paths, p)
	}
	return paths
}

// goFiles are the Go files that people write.
func (t *tree) goFiles() []*file {
	return slices.DeleteFunc(slices.Clone(t.files), func(f *file) bool { return f.syntax == nil || f.generated })
}

// within says whether a folder lies in one of the places: "a/b" is that folder with all
// below it, "." all of them.
func within(folder string, places []string) bool {
	return slices.ContainsFunc(places, func(p string) bool {
		return p == "." || folder == p || strings.HasPrefix(folder, p+"/")
	})
}

// rows splits a table: a row a line, cells divided by "|", "#" starts a comment.
func rows(table string) [][]string {
	var all [][]string
	for line := range strings.Lines(table) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		cells := strings.Split(line, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

// repository is this source tree, read once for each test that asks.
func repository(t *testing.T) *tree {
	t.Helper()
	tree, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.goFiles()) < 100 {
		t.Fatalf("found only %d Go files; is this the repository?", len(tree.goFiles()))
	}
	return tree
}

// expectNone fails for each violation.
func expectNone(t *testing.T, violations []string) {
	t.Helper()
	for _, v := range violations {
		t.Error(v)
	}
}
