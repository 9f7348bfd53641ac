package cli_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/cli"
)

// From a topic to a topic, records become what they become from a file to a file.
func TestSameBytesFromKafka(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(40)
	in := writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs))
	flags := []string{"infill", "--quiet", "--model", model, "--temperature", "0.8", "--seed", "3"}
	want := lines(succeed(t, append(flags, in)...))
	slices.Sort(want)

	b := newBroker(t)
	for _, partitions := range []int32{1, 3} {
		source, sink := b.topic(t, partitions), b.topic(t, 2)
		b.produce(t, source, docs)
		job := append(slices.Clone(flags), b.address(source)+"?group=a3&until=end", "-o", b.address(sink))
		succeed(t, job...)
		var got []string
		for _, rec := range b.consume(t, sink, len(docs)) {
			got = append(got, string(rec.Value))
		}
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%d partitions: other records:\n%s", partitions, firstDifference(want, got))
		}
		// All is acknowledged: the group has nothing left to do.
		succeed(t, job...)
		if recs := b.consume(t, sink, len(docs)); len(recs) != len(docs) {
			t.Errorf("%d partitions: a second run wrote records again: %d in the topic", partitions, len(recs))
		}
	}
}

// Keys pass, tombstones too, failures go to the topic of dead letters with
// their reason.
func TestKafkaDeadLetters(t *testing.T) {
	b := newBroker(t)
	source, sink, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
	b.put(t, source,
		&kgo.Record{Key: []byte("a"), Value: []byte(`{"id": "a", "text": "The {{blank:1}}."}`)},
		&kgo.Record{Key: []byte("b"), Value: []byte(`{"id": "b", "txt": "The {{blank:1}}."}`)},
		&kgo.Record{Key: []byte("a"), Value: nil},
		&kgo.Record{Key: []byte("c"), Value: []byte(`{"id": "c", "text": "A {{blank:1}}."}`)},
	)
	r := run(t, nil, "infill", "--model", tinyModel(t), "--in-process",
		b.address(source)+"?group=a3&until=end", "-o", b.address(sink), "--dead-letters", b.address(dead))
	if r.code != cli.ExitFailed || !strings.Contains(r.stderr, "1 failed, 1 unchanged") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	var keys []string
	for _, rec := range b.consume(t, sink, 3) {
		keys = append(keys, fmt.Sprintf("%s %v", rec.Key, rec.Value == nil))
	}
	if !slices.Equal(keys, []string{"a false", "a true", "c false"}) {
		t.Errorf("keys, and whether they are tombstones: %q", keys)
	}
	letter := b.consume(t, dead, 1)[0]
	headers := map[string]string{}
	for _, h := range letter.Headers {
		headers[h.Key] = string(h.Value)
	}
	if string(letter.Key) != "b" || string(letter.Value) != `{"id": "b", "txt": "The {{blank:1}}."}` {
		t.Errorf("letter %s: %s", letter.Key, letter.Value)
	}
	if headers[pipeline.HeaderOrigin] != source+"/0@1" || !strings.Contains(headers[pipeline.HeaderError], "txt") {
		t.Errorf("headers %q", headers)
	}
}

// Results, dead letters and positions in transactions; what is computed is remembered.
func TestKafkaExactlyOnce(t *testing.T) {
	b := newBroker(t)
	model, journal := tinyModel(t), t.TempDir()
	docs := documents(20)
	docs[7] = `{"id": "bad"}`
	var values []string
	var config string
	for range 2 { // the second time into other topics, from the journal
		source, sink, dead := b.topic(t, 2), b.topic(t, 1), b.topic(t, 1)
		b.produce(t, source, docs)
		job := []string{
			"infill", "--model", model, "--in-process", "--exactly-once", "--journal", journal,
			b.address(source) + "?group=a3&until=end&instance=w1", "-o", b.address(sink), "--dead-letters", b.address(dead),
		}
		r := run(t, nil, job...)
		if r.code != cli.ExitFailed || !strings.Contains(r.stderr, "20 records, 1 failed") {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		if recalled := strings.Contains(r.stderr, "19 from the journal"); recalled != (values != nil) {
			t.Errorf("said\n%s", r.stderr)
		}
		var got []string
		for _, rec := range b.consume(t, sink, 19) {
			got = append(got, string(rec.Value))
			headers := map[string]string{}
			for _, h := range rec.Headers {
				headers[h.Key] = string(h.Value)
			}
			if headers["a3.source.topic"] != source || headers["a3.model"] == "" || headers["a3.dedupe"] == "" || headers["a3.config"] == "" || config != "" && headers["a3.config"] != config {
				t.Errorf("headers %q", headers)
			}
			config = headers["a3.config"]
		}
		slices.Sort(got)
		if values != nil && !slices.Equal(got, values) {
			t.Errorf("other records from the journal:\n%s", firstDifference(values, got))
		}
		values = got
		if letter := b.consume(t, dead, 1)[0]; string(letter.Value) != `{"id": "bad"}` {
			t.Errorf("letter %s", letter.Value)
		}
		if r := run(t, nil, job...); r.code != cli.ExitOK || !strings.HasPrefix(r.stderr, "0 records") {
			t.Errorf("again: exit code %d\n%s", r.code, r.stderr)
		}
	}
}

// A job over files passes through the topics of a broker in this process, and gives the
// same.
func TestEmbeddedKafka(t *testing.T) {
	dir := t.TempDir()
	docs := documents(30)
	docs[3], docs[20] = `{"id": "bad"}`, `{"id": "worse", "text": 5}`
	in, dead := writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs)), filepath.Join(dir, "dead.jsonl")
	flags := []string{"infill", "--model", tinyModel(t), "--in-process"}
	want := run(t, nil, append(flags, "--quiet", in)...)
	got := run(t, nil, append(flags, "--embedded-kafka", "--dead-letters", dead, in)...)
	if got.code != cli.ExitFailed || got.stdout != want.stdout {
		t.Errorf("exit code %d, other records:\n%s\n%s", got.code, firstDifference(lines(want.stdout), lines(got.stdout)), got.stderr)
	}
	if !strings.Contains(got.stderr, "embedded Kafka at 127.0.0.1:") || !strings.Contains(got.stderr, "30 records, 2 failed") {
		t.Errorf("said\n%s", got.stderr)
	}
	if letters := lines(readFile(t, dead)); len(letters) != 2 || !strings.Contains(letters[0], `"origin":"in/0@3"`) {
		t.Errorf("dead letters %q", letters)
	}
	config := writeFile(t, filepath.Join(dir, "job.yaml"), "input: "+in+"\nmodel: "+flags[2]+"\njob: {infill: {}}\nstrategy: {name: confidence, in_process: true}")
	if r := run(t, nil, "run", "--quiet", "--embedded-kafka", config); r.stdout != want.stdout || strings.Count(r.stderr, "field") != 2 {
		t.Errorf("a3 run: exit code %d\n%s", r.code, r.stderr)
	}
}

// A broken configuration does not send a whole topic to the dead letters.
func TestTooManyFailures(t *testing.T) {
	b := newBroker(t)
	source, sink := b.topic(t, 1), b.topic(t, 1)
	b.produce(t, source, []string{`{"a": 1}`, `{"a": 2}`, `{"a": 3}`, `{"a": 4}`})
	r := run(t, nil, "infill", "--model", tinyModel(t), "--in-process", "--max-failures", "2/4", b.address(source)+"?group=a3&until=end", "-o", b.address(sink))
	if r.code != cli.ExitFailed || !strings.Contains(r.stderr, "3 of the last 4 records failed, the limit is 2") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

func TestKafkaUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"kafka://localhost:9092/t", "group"},
		{"kafka://localhost:9092/t?group=g other.jsonl", "a topic must be the only input"},
		{"kafka://localhost:9092/t?group=g&colour=red", "colour"},
		{"-o kafka://localhost:9092/ -", "topic"},
		{"--exactly-once kafka://localhost/t?group=g -o kafka://localhost/u", "name a topic for them"},
		{"--exactly-once kafka://localhost/t?group=g", "standard output cannot take back"},
		{"--max-failures 10%", "--max-failures is \"10%\"; write MOST/OF"},
		{"--embedded-kafka kafka://localhost/t?group=g", "has topics of its own"},
		{"--max-attempts -1", "must not be negative"},
	} {
		r := run(t, strings.NewReader(""), append([]string{"infill", "--in-process", "--model", tinyModel(t)}, strings.Fields(c.args)...)...)
		if r.code != cli.ExitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s", c.args, r.code, cli.ExitUsage, c.want, r.stderr)
		}
	}
	if r := run(t, nil, "train", "-o", t.TempDir(), "kafka://localhost/t?group=g"); r.code != cli.ExitUsage || !strings.Contains(r.stderr, "no vocabulary is learned from it") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

// broker is an in-memory cluster of one node.
type broker struct {
	*kfake.Cluster
	client *kgo.Client
	login  []kgo.Opt
	topics int
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	return newBrokerWith(t, nil)
}

// newBrokerWith starts one with further options, of which clients need some too.
func newBrokerWith(t *testing.T, options []kfake.Opt, login ...kgo.Opt) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(append(login, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &broker{Cluster: cluster, client: client, login: login}
}

func (b *broker) topic(t *testing.T, partitions int32) string {
	t.Helper()
	b.topics++
	name := fmt.Sprintf("stories-%d", b.topics)
	if err := b.CreateTopic(name, partitions, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

func (b *broker) address(topic string) string { return "kafka://" + b.ListenAddrs()[0] + "/" + topic }

func (b *broker) produce(t *testing.T, topic string, values []string) {
	t.Helper()
	recs := make([]*kgo.Record, len(values))
	for i, v := range values {
		recs[i] = &kgo.Record{Value: []byte(v)}
	}
	b.put(t, topic, recs...)
}

func (b *broker) put(t *testing.T, topic string, recs ...*kgo.Record) {
	t.Helper()
	for _, rec := range recs {
		rec.Topic = topic
	}
	if err := b.client.ProduceSync(bounded(t), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume reads a topic from its start until it has n records, and what else is there.
func (b *broker) consume(t *testing.T, topic string, n int) []*kgo.Record {
	t.Helper()
	reader, err := kgo.NewClient(append(b.login, kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var out []*kgo.Record
	for len(out) < n {
		fetches := reader.PollFetches(bounded(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(out), n, err)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
