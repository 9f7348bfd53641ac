package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/any-order/a3/pipeline/cli"
	"github.com/any-order/a3/pipeline/rows"
)

const examples = "pipeline/examples/jobs"

// runExample runs an example from the root of the repository, with variables.
func runExample(t *testing.T, name string, vars map[string]string, args ...string) result {
	t.Helper()
	for name, value := range vars {
		t.Setenv(name, value)
	}
	return run(t, nil, append([]string{"run", filepath.Join(examples, name)}, args...)...)
}

// jsonLines reads the records of an output.
func jsonLines(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	for _, line := range lines(text) {
		var rec map[string]any
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, rec)
	}
	return out
}

// Every example is there to be run, and each is run here.
func TestExamples(t *testing.T) {
	model := tinyModel(t)
	t.Chdir("../..")
	files, err := filepath.Glob(examples + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KAFKA_PASSWORD", "hunter2")
	if r := run(t, nil, append([]string{"lint"}, files...)...); r.code != cli.ExitOK {
		t.Fatalf("lint: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	tests := map[string]func(t *testing.T, file string){
		"infill.yaml": func(t *testing.T, file string) {
			out := filepath.Join(t.TempDir(), "out.jsonl")
			vars := map[string]string{"OUT": out, "DEAD": out + ".dead"}
			for range 2 { // again, and there is nothing to do
				if r := runExample(t, file, vars, "--set", "model="+model); r.code != cli.ExitOK {
					t.Fatalf("exit code %d\n%s", r.code, r.stderr)
				}
			}
			recs := jsonLines(t, readFile(t, out))
			if len(recs) != 8 || recs[0]["id"] != "kite" || strings.Contains(recs[0]["text"].(string), "{{blank") {
				t.Errorf("%d records, %v", len(recs), recs[0])
			}
		},
		"rewrite.yaml": func(t *testing.T, file string) {
			out := filepath.Join(t.TempDir(), "out.jsonl")
			// The model of the tests has not room for the longest of these stories.
			r := runExample(t, file, map[string]string{"OUT": out}, "--set", "model="+model)
			if r.code > cli.ExitFailed {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
			for _, rec := range jsonLines(t, readFile(t, out)) {
				if text := rec["text"].(string); strings.Contains(text, "Mia ") {
					t.Errorf("left: %s", text)
				}
			}
		},
		"score.yaml": func(t *testing.T, file string) {
			out := filepath.Join(t.TempDir(), "out.jsonl")
			if r := runExample(t, file, map[string]string{"OUT": out}, "--set", "model="+model); r.code != cli.ExitOK {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
			if recs := jsonLines(t, readFile(t, out)); len(recs) != 8 || recs[0]["token_logprobs"] == nil {
				t.Errorf("%d records, %v", len(recs), recs[0])
			}
		},
		"train.yaml": func(t *testing.T, file string) {
			out := filepath.Join(t.TempDir(), "run")
			vars := map[string]string{"OUT": out, "METRICS": ":0"}
			if r := runExample(t, file, vars, "--log-format", "json"); r.code != cli.ExitOK || !strings.Contains(r.stderr, `"msg":"done","steps":40,"taken":40`) {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
			if _, err := os.Stat(filepath.Join(out, "model", "model.safetensors")); err != nil {
				t.Error(err)
			}
			if r := runExample(t, file, vars); r.code != cli.ExitOK || !strings.Contains(r.stderr, "all 40 steps were done before") {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
		},
		"kafka.yaml":              func(t *testing.T, file string) { runKafkaExample(t, model, file, newBroker(t)) },
		"kafka-exactly-once.yaml": func(t *testing.T, file string) { runKafkaExample(t, model, file, newBroker(t)) },
		"kafka-rows.yaml":         func(t *testing.T, file string) { runRowsExample(t, model, file, newBroker(t)) },
		"kafka-train.yaml": func(t *testing.T, file string) {
			b, out := newBroker(t), filepath.Join(t.TempDir(), "run")
			if err := b.CreateTopic("stories-in", 2, nil); err != nil {
				t.Fatal(err)
			}
			b.feed(t, "stories-in", 0, 300)
			vars := map[string]string{"BROKER": b.ListenAddrs()[0], "UNTIL": "end", "OUT": out, "METRICS": ":0", "TOKENIZER": filepath.Join(model, "tokenizer.json")}
			r := runExample(t, file, vars)
			if r.code != cli.ExitOK || !strings.Contains(r.stderr, "are used up after step ") {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
		},
		"kafka-sasl.yaml": func(t *testing.T, file string) {
			b := newBrokerWith(t, []kfake.Opt{kfake.EnableSASL(), kfake.User("SCRAM-SHA-512", "a3", "hunter2")},
				kgo.SASL(scram.Auth{User: "a3", Pass: "hunter2"}.AsSha512Mechanism()))
			shown := runExample(t, file, nil, "--print-config")
			if strings.Contains(shown.stdout, "hunter2") || !strings.Contains(shown.stdout, `***`) {
				t.Errorf("shown:\n%s", shown.stdout)
			}
			runKafkaExample(t, model, file, b)
		},
	}
	for _, file := range files {
		name := filepath.Base(file)
		test := tests[name]
		if test == nil {
			t.Errorf("example %s is not run", name)
			continue
		}
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

// runRowsExample runs an example on two topics of records of several documents.
func runRowsExample(t *testing.T, model, file string, b *broker) {
	t.Helper()
	for _, topic := range []string{"stories-in", "poems-in", "stories-out", "stories-dead"} {
		if err := b.CreateTopic(topic, 2, nil); err != nil {
			t.Fatal(err)
		}
	}
	docs := append(documents(20), `{"id": "bad"}`)
	for i, part := range [][]string{docs[:10], docs[10:]} {
		var objects [][]byte
		for _, doc := range part {
			objects = append(objects, []byte(doc))
		}
		value, err := rows.Join(objects)
		if err != nil {
			t.Fatal(err)
		}
		b.put(t, []string{"stories-in", "poems-in"}[i], &kgo.Record{Value: value})
	}
	vars := map[string]string{"BROKER": b.ListenAddrs()[0], "UNTIL": "end", "JOURNAL": filepath.Join(t.TempDir(), "journal")}
	r := runExample(t, file, vars, "--set", "model="+model, "--set", "strategy.in_process=true")
	if r.code != cli.ExitFailed || !strings.Contains(r.stderr, "21 records, 1 failed") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	results := 0
	for _, rec := range b.consume(t, "stories-out", 2) {
		list, err := rows.Split(rec.Value, rows.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		results += len(list)
	}
	if dead := b.consume(t, "stories-dead", 1); results != 20 || len(dead) != 1 {
		t.Errorf("%d results, %d dead letters", results, len(dead))
	}
}

// runKafkaExample runs an example on the topics that all of them use.
func runKafkaExample(t *testing.T, model, file string, b *broker) {
	t.Helper()
	for _, topic := range []string{"stories-in", "stories-out", "stories-dead"} {
		if err := b.CreateTopic(topic, 2, nil); err != nil {
			t.Fatal(err)
		}
	}
	docs := append(documents(20), `{"id": "bad"}`)
	b.produce(t, "stories-in", docs)
	vars := map[string]string{"BROKER": b.ListenAddrs()[0], "UNTIL": "end", "JOURNAL": filepath.Join(t.TempDir(), "journal"), "METRICS": ":0"}
	want, code := 20, cli.ExitFailed // for the bad one
	for range 2 {                    // again, and there is nothing to do
		if r := runExample(t, file, vars, "--set", "model="+model, "--set", "strategy.in_process=true"); r.code != code {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		code = cli.ExitOK
	}
	var ids []string
	for _, rec := range b.consume(t, "stories-out", want) {
		ids = append(ids, string(rec.Value))
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != want {
		t.Errorf("%d records of %d", len(slices.Compact(ids)), want)
	}
	if file == "kafka-sasl.yaml" {
		return // it names no topic for dead letters
	}
	if dead := b.consume(t, "stories-dead", 1); len(dead) != 1 || string(dead[0].Value) != `{"id": "bad"}` {
		t.Errorf("dead letters %v", dead)
	}
}
