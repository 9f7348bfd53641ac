package training

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/connectors/kafka/kafkatest"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/tokenize"
)

// BenchmarkTopic measures how fast documents come from a topic into training batches, and
// beside it, in the same rounds, what bounds that: reading the topic and doing nothing, and
// tokenizing the texts, which lie in memory, without JSON and batches. Each uses all that it
// uses in a job: reading has the client's goroutines, tokenizing has one. The metrics are
// megabytes of text a second, medians of the rounds, and the share that the whole path
// reaches of the slower of the two.
//
//	go test ./pipeline/training -run '^$' -bench Topic -benchtime 9x
//
// The broker is in memory, and in this process, unless A3_KAFKA is host:port of a real one,
// or "start".
func BenchmarkTopic(b *testing.B) {
	const documents, partitions = 24_000, 4
	w := newWorkload(b, documents, partitions)
	var consume, tokenize, whole []float64
	for b.Loop() {
		consume = append(consume, w.consume(b))
		tokenize = append(tokenize, w.tokenize(b))
		whole = append(whole, w.batches(b))
	}
	c, t, all := median(consume), median(tokenize), median(whole)
	b.ReportMetric(0, "ns/op") // it is no single operation
	b.ReportMetric(c, "consume-MB/s")
	b.ReportMetric(t, "tokenize-MB/s")
	b.ReportMetric(all, "batches-MB/s")
	b.ReportMetric(100*all/min(c, t), "%-of-slower")
}

// What is measured is right: each side sees every byte, and the batches hold every token.
func TestTopicWorkload(t *testing.T) {
	w := newWorkload(t, 500, 2)
	for name, side := range map[string]func(testing.TB) float64{"consume": w.consume, "tokenize": w.tokenize, "batches": w.batches} {
		if rate := side(t); !(rate > 0) {
			t.Errorf("%s: %v MB/s", name, rate)
		}
	}
}

// workload is a topic of documents.
type workload struct {
	opts   kafka.SourceOptions
	texts  [][]byte
	bytes  int // of all texts
	tokens int // of all texts
	tok    *tokenize.Tokenizer
}

func newWorkload(tb testing.TB, documents int, partitions int32) *workload {
	tb.Helper()
	w := &workload{}
	rng := rand.New(rand.NewPCG(1, 2))
	words := wordsOf(rng)
	for range documents {
		text := story(rng, words)
		w.texts = append(w.texts, text)
		w.bytes += len(text)
	}
	o := tokenize.DefaultTrainOptions()
	o.Vocab = 4096
	var err error
	if w.tok, err = tokenize.Train(tb.Context(), o, slices.Values(w.texts[:min(1000, documents)])); err != nil {
		tb.Fatal(err)
	}
	enc := w.tok.NewEncoder()
	for _, text := range w.texts {
		w.tokens += len(enc.AppendDocument(nil, text))
	}

	addrs := Brokers(tb)
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	name := fmt.Sprint("throughput-", time.Now().UnixNano())
	if _, err := admin.CreateTopic(tb.Context(), partitions, 1, nil, name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if _, err := admin.DeleteTopic(context.WithoutCancel(tb.Context()), name); err != nil {
			tb.Error(err)
		}
	})
	for part := range slices.Chunk(w.texts, 1000) {
		var recs []*kgo.Record
		for _, text := range part {
			value, err := json.Marshal(map[string]string{"id": fmt.Sprint("story", len(recs)), "text": string(text)})
			if err != nil {
				tb.Fatal(err)
			}
			recs = append(recs, &kgo.Record{Topic: name, Value: value})
		}
		if err := client.ProduceSync(tb.Context(), recs...).FirstErr(); err != nil {
			tb.Fatal(err)
		}
	}
	w.opts = kafka.DefaultSourceOptions()
	w.opts.Brokers, w.opts.Topics, w.opts.Instance = addrs, []string{name}, kafka.InstanceNone
	w.opts.MaxUnsettled, w.opts.MaxUnsettledBytes = 10*MaxUntrained, math.MaxInt64 // as a3 train has it
	return w
}

// Brokers returns the addresses of the broker to use: one in memory, unless A3_KAFKA names a
// real one, or says "start". Tests outside of the package use it too.
func Brokers(tb testing.TB) []string {
	tb.Helper()
	switch where := os.Getenv("A3_KAFKA"); where {
	case "":
		fake, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(fake.Close)
		return fake.ListenAddrs()
	case "start":
		real, err := kafkatest.Start(tb.Context(), tb.TempDir())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := real.Kill(); err != nil {
				tb.Error(err)
			}
		})
		return []string{real.Addr}
	default:
		return []string{where}
	}
}

// wordsOf makes words of syllables.
func wordsOf(rng *rand.Rand) []string {
	words := make([]string, 4000)
	for i := range words {
		for range 1 + rng.IntN(4) {
			words[i] += string("bdfghklmnprstvwz"[rng.IntN(16)]) + string("aeiou"[rng.IntN(5)]) + []string{"", "n", "r", "st"}[rng.IntN(4)]
		}
	}
	return words
}

// story makes a text of about 1.5 kB in which few words are frequent, with lines and
// speech, which JSON escapes.
func story(rng *rand.Rand, words []string) []byte {
	frequent := rand.NewZipf(rng, 1.1, 4, uint64(len(words)-1))
	var out []byte
	for range 20 + rng.IntN(10) {
		speech := rng.IntN(4) == 0
		if speech {
			out = append(out, '"')
		}
		for i := range 6 + rng.IntN(9) {
			word := words[frequent.Uint64()]
			if i == 0 {
				word = string(word[0]-'a'+'A') + word[1:]
			} else {
				out = append(out, ' ')
			}
			out = append(out, word...)
		}
		out = append(out, '.')
		if speech {
			out = append(out, '"')
		}
		out = append(out, " \n"[rng.IntN(2)])
	}
	return bytes.TrimSpace(out)
}

// clocked notes when the first records came: joining a group is not measured.
type clocked struct {
	connectors.Source
	first time.Time
}

func (c *clocked) Read(ctx context.Context, most int) ([]connectors.Delivery, error) {
	out, err := c.Source.Read(ctx, most)
	if c.first.IsZero() && len(out) > 0 {
		c.first = time.Now()
	}
	return out, err
}

// open joins a group of its own.
func (w *workload) open(tb testing.TB) *clocked {
	tb.Helper()
	o := w.opts
	o.Group = fmt.Sprint("throughput-", time.Now().UnixNano())
	src, err := kafka.OpenSource(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return &clocked{Source: src}
}

func (w *workload) close(tb testing.TB, src *clocked) {
	tb.Helper()
	if err := src.Close(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func (w *workload) rate(since time.Time) float64 {
	return float64(w.bytes) / 1e6 / time.Since(since).Seconds()
}

// consume reads the topic and settles its records.
func (w *workload) consume(tb testing.TB) float64 {
	tb.Helper()
	src := w.open(tb)
	defer w.close(tb, src)
	for n := 0; n < len(w.texts); {
		deliveries, err := src.Read(tb.Context(), readAhead)
		if err != nil {
			tb.Fatal(err)
		}
		for _, d := range deliveries {
			d.Settle(nil)
		}
		n += len(deliveries)
	}
	return w.rate(src.first)
}

// tokenize tokenizes the texts.
func (w *workload) tokenize(tb testing.TB) float64 {
	tb.Helper()
	enc := w.tok.NewEncoder()
	start, n := time.Now(), 0
	var ids []int32
	for _, text := range w.texts {
		ids = enc.AppendDocument(ids[:0], text)
		n += len(ids)
	}
	rate := w.rate(start)
	if n != w.tokens {
		tb.Fatalf("%d tokens, want %d", n, w.tokens)
	}
	return rate
}

// batches does what a run does between the broker and the trainer.
func (w *workload) batches(tb testing.TB) float64 {
	tb.Helper()
	src := w.open(tb)
	s := &stream{
		src: &ending{src, len(w.texts)}, parse: record.DefaultOptions(), enc: w.tok.NewEncoder(), next: map[position]place{},
		bad:   func(_ connectors.Origin, err error) error { return err },
		holds: func(batching.Document) bool { return false },
	}
	s.start()
	c := Default()
	bos, _ := w.tok.Start()
	recipe := batching.Recipe{
		Seed: 1, Vocab: w.tok.Vocab(), BOS: bos, EOS: batching.NoToken,
		Context: c.Model.Context, Budget: c.Batch, Given: c.Given,
		Curriculum: order.DefaultCurriculum(max(100, w.tokens/c.Batch)), // all its stages
	}
	loader, err := batching.NewStreamLoader(s, recipe, batching.LoaderOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tokens := 0
	for step := 0; ; step++ {
		batch, err := loader.Next(tb.Context(), step)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		tokens += batch.Positions() - len(batch.Segments())
		s.trained(batch.After())
		batch.Release()
	}
	rate := w.rate(src.first)
	if tokens != w.tokens {
		tb.Fatalf("%d tokens, want %d", tokens, w.tokens)
	}
	if err := errors.Join(loader.Close(), s.close(tb.Context())); err != nil {
		tb.Fatal(err)
	}
	return rate
}

// ending ends a source after so many records. (UntilEnd would wait for the commits.)
type ending struct {
	connectors.Source
	left int
}

func (e *ending) Read(ctx context.Context, most int) ([]connectors.Delivery, error) {
	if e.left == 0 {
		return nil, io.EOF
	}
	out, err := e.Source.Read(ctx, most)
	e.left -= len(out)
	return out, err
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
