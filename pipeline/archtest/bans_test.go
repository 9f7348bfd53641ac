package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bans says what the standard library offers and a folder must not use: packages, and
// functions and variables of packages. Tests may use all of it.
// Do not change this to fix a build.
const bans = `
# what                              | not in                  | but in

# The engine's results depend on its arguments alone: no clock, no unkeyed randomness, no
# environment, no network. Temporary files have random names.
time                                | core tokenize           |
math/rand math/rand/v2              | core batching tokenize  | core/checkpoint
net net/http                        | core batching tokenize pipeline/infill pipeline/rewrite pipeline/score |
os                                  | core/seq core/strategy core/order core/model core/train core/decode |

# The engine reports, it does not log; elsewhere a logger is passed in. Generators are
# programs of their own.
log                                 | .                       | core/kernels/asmgen
log/slog                            | core batching tokenize connectors/conntest |

# One reader of the command line and the environment. The plugin protocol has its
# handshake in the environment; the oracle's folder is for tests.
flag os/signal os.Args              | .                       | .ci core/kernels/asmgen decoder-plugins/proto/gen decoder-plugins/sdktest docs/results pipeline/cli
os.Getenv os.LookupEnv os.Environ os.ExpandEnv os.Setenv os.Unsetenv | . | pipeline/cli decoder-plugins/sdk decoder-plugins/sdktest core/internal/oracle
os/exec                             | .                       | connectors/kafka/kafkatest decoder-plugins/host decoder-plugins/proto/gen

unsafe                              | .                       | core/kernels
plugin runtime/cgo                  | .                       |
`

func TestBans(t *testing.T) { expectNone(t, checkBans(repository(t), bans)) }

func checkBans(t *tree, bans string) []string {
	var bad []string
	for _, row := range rows(bans) {
		if len(row) != 3 {
			return []string{fmt.Sprintf("the row of %s has %d cells, want 3", row[0], len(row))}
		}
		for _, f := range t.goFiles() {
			if f.test || !within(f.folder, strings.Fields(row[1])) || within(f.folder, strings.Fields(row[2])) {
				continue
			}
			for _, what := range strings.Fields(row[0]) {
				if uses(f, what) {
					bad = append(bad, fmt.Sprintf("%s uses %s, which is banned there", f.name, what))
				}
			}
		}
	}
	return append(bad, checkAssembly(t)...)
}

// uses says whether a file imports a package, or names something of it ("os.Getenv").
func uses(f *file, what string) bool {
	pkg, name, member := strings.Cut(what, ".")
	if !member {
		return slices.Contains(f.imports(), what)
	}
	local := path.Base(pkg)
	found := false
	for _, s := range f.syntax.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil && p == pkg {
			found = true
			if s.Name != nil {
				local = s.Name.Name
			}
		}
	}
	if !found {
		return false
	}
	used := false
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			x, isName := s.X.(*ast.Ident)
			used = used || isName && x.Name == local
		}
		return !used
	})
	return used
}

// checkAssembly keeps assembly in the kernels, whose tests know what can go wrong with it.
func checkAssembly(t *tree) []string {
	var bad []string
	for _, f := range t.files {
		if path.Ext(f.name) == ".s" && !within(f.folder, []string{"core/kernels"}) {
			bad = append(bad, f.name+": assembly belongs in core/kernels")
		}
	}
	return bad
}
