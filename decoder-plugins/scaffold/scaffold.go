// Package scaffold writes a new decode strategy: a copy of the package starter, which
// lies beside it and passes its own test, under another name.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/any-order/a3/decoder-plugins/sdk"
)

// module is the one that strategies are built against.
const module = "github.com/any-order/a3"

//go:embed starter
var starter embed.FS

// Options say where a strategy is written.
type Options struct {
	Name     string // of the strategy: lower-case letters, digits, _ and -
	Dir      string // the folder that is made; it must not exist
	Checkout string // the folder with the source of a3; "" = the one around Dir
}

// Write writes the strategy and returns the files, relative to Dir. In the checkout
// itself the strategy is one more package of it. Elsewhere it gets a module of its own,
// which takes a3 from the checkout and its other dependencies in the versions, and with
// the checksums, of a3: what built a3 builds it, without a network.
func Write(o Options) (files []string, err error) {
	if err := (sdk.Info{Name: o.Name, Version: "0"}).Validate(); err != nil {
		return nil, err
	}
	if p := packageOf(o.Name); token.IsKeyword(p) || p == "main" || p == "sdk" {
		return nil, fmt.Errorf("%s cannot be the name of a Go package here: choose another name", p)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already: choose another name or folder", o.Dir)
	}
	checkout, err := findCheckout(o.Checkout, dir)
	if err != nil {
		return nil, err
	}
	content, err := render(o.Name, checkout, dir)
	if err != nil {
		return nil, err
	}
	for _, f := range content {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, f.text, 0o644); err != nil {
			return nil, err
		}
		files = append(files, f.name)
	}
	return files, nil
}

// findCheckout returns the folder with the source of a3.
func findCheckout(given, dir string) (string, error) {
	if given != "" {
		given, err := filepath.Abs(given)
		if err == nil && !isCheckout(given) {
			err = fmt.Errorf("%s does not hold the source of %s", given, module)
		}
		return given, err
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		if isCheckout(parent) {
			return parent, nil
		}
		if parent == filepath.Dir(parent) {
			return "", fmt.Errorf("%s is in no folder with the source of %s: name it with --checkout", dir, module)
		}
	}
}

func isCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	first, _, _ := strings.Cut(string(text), "\n")
	return err == nil && strings.TrimSpace(first) == "module "+module
}

// packageOf returns the name of a strategy's Go package.
func packageOf(name string) string { return strings.NewReplacer("-", "", "_", "").Replace(name) }

// file is one that is to be written.
type file struct {
	name string // relative, with slashes
	text []byte
}

// render returns the files of a strategy.
func render(name, checkout, dir string) ([]file, error) {
	packageName := packageOf(name)
	path, inside := name, false
	if relative, err := filepath.Rel(checkout, dir); err == nil && filepath.IsLocal(relative) {
		path, inside = module+"/"+filepath.ToSlash(relative), true
	} else {
		path = "plugin.local/" + name
	}
	rename := strings.NewReplacer(
		module+"/decoder-plugins/scaffold/starter", path,
		"package starter", "package "+packageName, "Package starter", "Package "+packageName,
		"starter.New", packageName+".New", "starter.Info", packageName+".Info",
		"starter", name,
	)
	var files []file
	for _, f := range []struct{ from, to string }{
		{"starter.go", packageName + ".go"}, {"starter_test.go", packageName + "_test.go"}, {"cmd/main.go", "cmd/main.go"},
	} {
		text, err := starter.ReadFile("starter/" + f.from)
		if err != nil {
			return nil, err
		}
		files = append(files, file{f.to, []byte(rename.Replace(string(text)))})
	}
	if inside {
		return files, nil
	}
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		return nil, err
	}
	return append(files, file{"go.mod", goMod(path, checkout, string(mod))}, file{"go.sum", sum}), nil
}

// goMod returns a module file with the dependencies of a3, which comes from the checkout.
func goMod(path, checkout, theirs string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n", path)
	keep := false // within what a plugin needs: the version of Go, and requirements
	for line := range strings.Lines(theirs) {
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "go", "require", "toolchain":
			keep = true
			b.WriteString("\n")
		case "module", "tool", "replace", "exclude", "retract", "ignore", "godebug":
			keep = false
		}
		if keep && strings.TrimSpace(line) != "" {
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, quote(checkout))
	return []byte(b.String())
}

// quote quotes a path if a module file needs that.
func quote(path string) string {
	if strings.ContainsAny(path, " \t\"'`()[]{},") {
		return fmt.Sprintf("%q", path)
	}
	return path
}
