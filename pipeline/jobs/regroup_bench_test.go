package jobs_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/tokenize"
)

// BenchmarkRegroup measures what it costs, in held-out quality, to keep the groups in
// which tokens were committed (--regroup commit, which can be cached) instead of
// regrouping all known tokens before every step (--regroup published). Documents of the
// JSONL file A3_HELDOUT lose a share of their tokens; the true tokens are revealed in a
// random order, in groups of 1 or 4, and scored under both regimes. A3_MODEL names a
// model directory; the default is the embedded one.
//
// It reports the mean negative log-likelihood a token, in nats, of either.
func BenchmarkRegroup(b *testing.B) {
	path := os.Getenv("A3_HELDOUT")
	if path == "" {
		b.Skip("A3_HELDOUT is not set: name a JSONL file of held-out documents")
	}
	l, err := models.Load(b.Context(), os.Getenv("A3_MODEL"), kernels.Best(), kernels.Float32)
	if err != nil {
		b.Fatal(err)
	}
	docs := heldOut(b, path, l.Tokenizer, l.Model.Config.MaxPositions, 100)
	for _, share := range []float64{0.15, 0.5, 0.9} {
		for _, size := range []int{1, 4} {
			b.Run(fmt.Sprintf("blank=%.0f%%/group=%d", 100*share, size), func(b *testing.B) {
				for b.Loop() {
					for _, regroup := range []decode.Regroup{decode.RegroupCommit, decode.RegroupPublished} {
						b.ReportMetric(reveal(b, l, docs, share, size, regroup), string(regroup)+"-nats/token")
					}
				}
			})
		}
	}
}

// heldOut reads at most n documents that fit the context, with the token that starts them.
func heldOut(b *testing.B, path string, tok *tokenize.Tokenizer, context, n int) (docs [][]int32) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			b.Fatal(err)
		}
	}
	start, ok := tok.Start()
	if !ok {
		b.Fatal("the tokenizer has no token that starts a document")
	}
	enc := tok.NewEncoder()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() && len(docs) < n {
		var rec struct{ Text string }
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			b.Fatal(err)
		}
		if doc := enc.AppendDocument([]int32{start}, []byte(rec.Text)); len(doc) > 8 && len(doc) <= context {
			docs = append(docs, doc)
		}
	}
	if err := lines.Err(); err != nil {
		b.Fatal(err)
	}
	return docs
}

// reveal returns the mean negative log-likelihood of the true tokens at the blanks.
func reveal(b *testing.B, l *models.Loaded, docs [][]int32, share float64, size int, regroup decode.Regroup) float64 {
	o := decode.DefaultOptions()
	o.Given, o.Regroup, o.Threads = l.Given, regroup, 2
	e, err := decode.New(l.Model, o)
	if err != nil {
		b.Fatal(err)
	}
	var nll float64
	count := 0
	for first := 0; first < len(docs); first += 32 {
		batch := docs[first:min(first+32, len(docs))]
		sessions := make([]*decode.Session, len(batch))
		orders := make([][]int32, len(batch))
		for i, doc := range batch {
			key := seq.NewKey(uint64(first + i))
			canvas := seq.NewCanvas(append([]int32(nil), doc...)...)
			for p := 1; p < len(doc); p++ {
				if key.Uniform(uint64(p)) < share {
					canvas.Blank[p] = true
				}
			}
			orders[i] = canvas.Blanks()
			seq.Shuffle(key.With(1), orders[i])
			count += len(orders[i])
			if sessions[i], err = e.NewSession(&decode.Document{Canvas: canvas}); err != nil {
				b.Fatal(err)
			}
		}
		for step := 0; ; step += size {
			var active []*decode.Session
			var groups, truths [][]int32
			for i, s := range sessions {
				if step >= len(orders[i]) {
					continue
				}
				group := orders[i][step:min(step+size, len(orders[i]))]
				truth := make([]int32, len(group))
				for j, p := range group {
					truth[j] = batch[i][p]
				}
				s.Want(group, 0)
				active, groups, truths = append(active, s), append(groups, group), append(truths, truth)
			}
			if len(active) == 0 {
				break
			}
			if err := e.Propose(b.Context(), active, strategy.ColumnToken); err != nil {
				b.Fatal(err)
			}
			for i, s := range active {
				if err := s.Commit(groups[i], truths[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
		for i, s := range sessions {
			result := s.Result()
			for _, p := range orders[i] {
				nll -= result.LogProb[p]
			}
			s.Close()
		}
	}
	return nll / float64(count)
}
