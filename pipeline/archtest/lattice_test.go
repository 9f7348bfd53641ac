package archtest

import (
	"fmt"
	"path"
	"strings"
	"testing"
)

// lattice says what a folder's packages may import beside the standard library and each
// other. Do not change this to fix a build: a new edge is a change of the architecture.
//
// A row holds for its folder and all below it; of several rows the one with the most
// path elements holds; * stands for any one element. A folder without a row is an
// error. Of ours, "a/b" is one package, "a/b/..." all in that folder. Of others, a
// module, or the part of one, is named by its path.
const lattice = `
# folder                  | ours                                   | others                           | in tests too

.                         | pipeline/cli                           |                                  |
.ci/testreport            |                                        |                                  |

# The engine. It imports nothing of ours outside core, so that it can be read, tested
# and embedded alone; what is above seq, kernels and checkpoint is built of them.
core/seq                  |                                        |                                  |
core/strategy             | core/seq                               |                                  |
core/order                | core/seq                               |                                  |
core/kernels              |                                        | golang.org/x/sys gonum.org/v1/gonum |
core/checkpoint           |                                        | golang.org/x/sys                 |
core/model                | core/checkpoint core/internal/parallel core/kernels core/seq |                                  | core/internal/...
core/train                | core/internal/parallel core/kernels core/model core/order core/seq |     | core/checkpoint core/internal/...
core/decode               | core/internal/parallel core/kernels core/model core/order core/seq core/strategy | | core/checkpoint core/internal/...
core/internal/oracle      | core/checkpoint core/kernels core/model |                                 |
core/internal/parallel    |                                        |                                  |

tokenize                  |                                        |                                  |
batching                  | core/order core/seq                    | github.com/apache/arrow/go/v17   |
batching/ipcguard         |                                        | github.com/apache/arrow/go/v17   |

# The contract of the connectors, and its implementations, which do not know each other.
# Only here are there clients of brokers and file formats.
connectors                |                                        |                                  |
connectors/*              | connectors                             |                                  | connectors/conntest
connectors/conntest       | connectors                             |                                  | connectors/memory
connectors/file           | connectors                             | github.com/bmatcuk/doublestar/v4 github.com/klauspost/compress | connectors/conntest
connectors/kafka          | connectors                             | github.com/hbollon/go-edlib github.com/twmb/franz-go | connectors/conntest github.com/goccy/go-yaml

# A strategy imports the SDK and the contract, and no other strategy. The one that has
# others inside is given them: its command and its tests take those that are shipped.
decoder-plugins/*         | core/seq core/strategy decoder-plugins/sdk |                              | decoder-plugins/sdktest
decoder-plugins/blockwise | core/seq core/strategy decoder-plugins/sdk |                              | decoder-plugins/builtin decoder-plugins/sdktest
decoder-plugins/blockwise/cmd | decoder-plugins/builtin            |                                  |
decoder-plugins/proto     |                                        | google.golang.org/grpc google.golang.org/protobuf github.com/bufbuild/protocompile |
decoder-plugins/internal  | core/seq core/strategy decoder-plugins/proto/v1 decoder-plugins/sdk | github.com/hashicorp/go-plugin google.golang.org/grpc google.golang.org/protobuf |
decoder-plugins/sdk       | core/seq core/strategy decoder-plugins/internal/wire decoder-plugins/proto/v1 | github.com/hbollon/go-edlib github.com/hashicorp/go-hclog github.com/hashicorp/go-plugin google.golang.org/grpc golang.org/x/sys |
decoder-plugins/host      | core/seq core/strategy decoder-plugins/internal/... decoder-plugins/sdk | github.com/hashicorp/go-hclog github.com/hashicorp/go-plugin google.golang.org/grpc golang.org/x/sys | decoder-plugins/proto/v1 decoder-plugins/sdktest
decoder-plugins/sdktest   | core/seq core/strategy decoder-plugins/host decoder-plugins/internal/... decoder-plugins/sdk | google.golang.org/grpc |
decoder-plugins/builtin   | decoder-plugins/...                    |                                  | core/seq core/strategy

# Pages of results: programs of their own, so that a3 carries no plotting library.
docs/results              | core/checkpoint                        | github.com/goccy/go-yaml gonum.org/v1/gonum/stat gonum.org/v1/plot |
docs/results/strategies   | core/... decoder-plugins/builtin decoder-plugins/host docs/results/figure pipeline/models | github.com/goccy/go-yaml gonum.org/v1/gonum/stat gonum.org/v1/plot |

# What a record is and what a job does with it knows nothing of streams; the stages know
# the contract of the connectors, not which ones there are; the command line wires.
pipeline                  | connectors pipeline/infill/record      | golang.org/x/sync                | connectors/memory connectors/file
pipeline/journal          |                                        |                                  |
pipeline/rows             | batching/ipcguard pipeline/infill/record | github.com/apache/arrow/go/v17 |
pipeline/killtest         |                                        |                                  | connectors connectors/kafka connectors/kafka/kafkatest pipeline pipeline/journal pipeline/rows github.com/twmb/franz-go
pipeline/infill           | core/seq                               | github.com/hbollon/go-edlib      | tokenize
pipeline/rewrite          | core/seq pipeline/infill/...           |                                  | tokenize
pipeline/score            | core/seq pipeline/infill/...           |                                  | tokenize
pipeline/explain          | pipeline/infill/record                 |                                  |
pipeline/jobs             | batching core/... pipeline pipeline/explain pipeline/infill/... pipeline/rewrite pipeline/score tokenize | golang.org/x/sync github.com/apache/arrow/go/v17/arrow/memory | connectors connectors/memory decoder-plugins/... pipeline/models/...
pipeline/models           | core/checkpoint core/checkpoint/gguf core/kernels core/model core/order tokenize |  | core/checkpoint/gguf/gguftest core/decode core/seq
pipeline/config           | connectors/file connectors/kafka core/decode decoder-plugins/sdk pipeline pipeline/explain pipeline/infill pipeline/rewrite pipeline/training | github.com/goccy/go-yaml github.com/hbollon/go-edlib |
pipeline/training         | batching connectors core/... pipeline/infill/record pipeline/rows tokenize | golang.org/x/sync github.com/apache/arrow/go/v17/arrow/memory | connectors/memory connectors/file connectors/kafka connectors/kafka/kafkatest github.com/twmb/franz-go
pipeline/telemetry        |                                        | github.com/prometheus/client_golang |
pipeline/bench            | core/... decoder-plugins/ar decoder-plugins/confidence decoder-plugins/random decoder-plugins/sdk pipeline/models | golang.org/x/sys | pipeline/models/modelstest
pipeline/deploy           |                                        |                                  | pipeline/config pipeline/telemetry github.com/goccy/go-yaml
pipeline/archtest         |                                        |                                  |
pipeline/docstest         |                                        |                                  | connectors/kafka/kafkatest github.com/twmb/franz-go
pipeline/cli              | batching connectors/... core/... decoder-plugins/builtin decoder-plugins/host decoder-plugins/scaffold decoder-plugins/sdk decoder-plugins/sdktest pipeline/... tokenize | github.com/apache/arrow/go/v17/arrow/memory github.com/goccy/go-yaml github.com/spf13/cobra golang.org/x/sync golang.org/x/term | github.com/twmb/franz-go
`

// testLibraries are what every test may import.
const testLibraries = "go.uber.org/goleak pgregory.net/rapid github.com/rogpeppe/go-internal/testscript gonum.org/v1/gonum/stat"

func TestImports(t *testing.T) { expectNone(t, checkImports(repository(t), lattice)) }

func checkImports(t *tree, lattice string) []string {
	var bad []string
	table := rows(lattice)
	for _, row := range table {
		if len(row) != 4 {
			bad = append(bad, fmt.Sprintf("the lattice's row of %s has %d cells, want 4", row[0], len(row)))
		}
	}
	if bad != nil {
		return bad
	}
	for _, f := range t.goFiles() {
		row, home := rowOf(table, f.folder)
		if row == nil {
			bad = append(bad, fmt.Sprintf("%s: the folder %s has no row in the lattice of pipeline/archtest", f.name, f.folder))
			continue
		}
		for _, path := range f.imports() {
			if !mayImport(row, home, path, f.test) {
				bad = append(bad, fmt.Sprintf("%s imports %s, which the lattice's row of %s does not allow", f.name, path, row[0]))
			}
		}
	}
	return bad
}

// rowOf finds the row that holds for a folder, and the folder that the row stands for
// here; nil if there is none.
func rowOf(table [][]string, folder string) (row []string, home string) {
	best := -1
	for _, r := range table {
		pattern := strings.Split(r[0], "/")
		elements := strings.Split(folder, "/")
		if len(elements) < len(pattern) {
			continue
		}
		start := strings.Join(elements[:len(pattern)], "/")
		if ok, err := path.Match(r[0], start); err != nil || !ok {
			continue
		}
		rank := 2 * len(pattern)
		if strings.Contains(r[0], "*") {
			rank--
		}
		if rank > best {
			best, row, home = rank, r, start
		}
	}
	return row, home
}

func mayImport(row []string, home, imported string, test bool) bool {
	if imported == "C" {
		return false // no cgo
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library; see bans
	}
	others, ours := row[2], row[1]
	if test {
		others, ours = others+" "+row[3]+" "+testLibraries, ours+" "+row[3]
	}
	local, isOurs := strings.CutPrefix(imported, module+"/")
	if !isOurs {
		return within(imported, strings.Fields(others))
	}
	if home != "." && within(local, []string{home}) {
		return true
	}
	for _, allowed := range strings.Fields(ours) {
		folder, all := strings.CutSuffix(allowed, "/...")
		if local == folder || all && within(local, []string{folder}) {
			return true
		}
	}
	return false
}
