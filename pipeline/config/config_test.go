package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors/kafka"
)

// vars looks variables up in a map.
func vars(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := m[name]
		return value, ok
	}
}

func load(t *testing.T, text string, set ...string) *Config {
	t.Helper()
	c, err := Load(Source{File: "a3.yaml", Text: []byte(text), Set: set, Lookup: vars(map[string]string{"N": "3", "EMPTY": "", "SECRET": "hunter2"})})
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return c
}

// problems returns what is wrong with a configuration.
func problems(t *testing.T, text string, set ...string) Problems {
	t.Helper()
	_, err := Load(Source{File: "a3.yaml", Text: []byte(text), Set: set, Lookup: vars(map[string]string{"N": "3", "SECRET": "hunter2"})})
	var found Problems
	if !errors.As(err, &found) {
		t.Fatalf("error %v\nin\n%s", err, text)
	}
	return found
}

// Each line of testdata/bad that is wrong says how. All of them are found, and no others.
func TestAllProblemsAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := map[int]string{}
		for _, p := range problems(t, string(text)) {
			got[p.Line] += p.String() + "\n"
		}
		for i, line := range strings.Split(string(text), "\n") {
			_, want, wrong := strings.Cut(line, "# want: ")
			problem := got[i+1]
			if wrong != (problem != "") || !strings.Contains(problem, want) {
				t.Errorf("%s:%d: got %q, want %q", file, i+1, problem, want)
			}
		}
	}
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"job: {infill: {}\nmodel: x":           "not YAML",
		"model: a\nmodel: b":                   "already defined",
		"model: *a":                            `the alias *a has no anchor`,
		"model: a\n---\nmodel: b":              "a second document",
		"- a\n- b":                             "want a mapping, got a list",
		"model: !!binary aGk=":                 "tag: not used",
		strings.Repeat("[", 100):               "not YAML",
		"model: " + strings.Repeat("x", 1<<20): "a configuration has at most 1048576",
		"<<: 5\njob: {score: {}}":              "<< merges a mapping, not a value",
	} {
		found := problems(t, text)
		if len(found) == 0 || !strings.Contains(found.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, found, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	c := load(t, "job: {infill: }")
	if got := c.Input.Files; got == nil || !reflect.DeepEqual(got.Paths, []string{"-"}) || got.Format != "auto" {
		t.Errorf("input %+v", got)
	}
	if !c.Output.ToStdout() || c.DeadLetters != nil || c.Job.Infill.BlankTokens != 8 || c.Strategy.Spec() != "confidence" {
		t.Errorf("%+v", c)
	}
}

// What a block may be written as in one word.
func TestShorthands(t *testing.T) {
	c := load(t, `
input: kafka://b/in?group=g
job: {score: {}}
strategy: random:size=2
output: kafka://b/out
dead_letters: dead.jsonl
metrics: 127.0.0.1:9464
delivery: at_least_once
`)
	if c.Input.Kafka.Group != "g" || c.Output.Kafka.Topic != "out" || c.DeadLetters.File.Path != "dead.jsonl" ||
		c.Strategy.Params["size"] != "2" || c.Strategy.Spec() != "random:size=2" || c.Metrics.Address != "127.0.0.1:9464" {
		t.Errorf("%+v", c)
	}
}

func TestVariables(t *testing.T) {
	for text, want := range map[string]string{
		"${N}": "3", "a${N}b${N}": "a3b3", "${EMPTY}": "", "${EMPTY:x}": "x", "${NONE:}": "", "${NONE:a:b/c}": "a:b/c",
		"${{N}}": "${N}", "x${{NONE:y}}": "x${NONE:y}", "'${N}'": "3", "cost $5 {a}": "cost $5 {a}", `"a\n${N}"`: "a\n3",
	} {
		if c := load(t, "job: {score: {}}\nmodel: "+text); c.Model != want {
			t.Errorf("%s gives %q, want %q", text, c.Model, want)
		}
	}
	// A value is a value: it cannot become structure.
	c, err := Load(Source{Text: []byte("job: {score: {}}\nmodel: ${V}"), Lookup: vars(map[string]string{"V": "x\njob: {infill: {}}"})})
	if err != nil || c.Model != "x\njob: {infill: {}}" || c.Job.Infill != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if c := load(t, "job: {infill: {blank_tokens: '${N}'}}\ncompute:\n  threads: ${NONE:2}"); c.Job.Infill.BlankTokens != 3 || c.Compute.Threads != 2 {
		t.Errorf("%+v", c)
	}
	for text, want := range map[string]string{
		"${NONE}":     "a3.yaml:2: model: the variable NONE is not set; set it, or give a default: ${NONE:default}",
		"a ${1}":      `"${" begins a variable`,
		"a${NONE":     `"${" begins a variable`,
		"${A} ${B}":   "the variable B is not set",
		"${N} ${B:x}": "",
	} {
		if want == "" {
			load(t, "job: {score: {}}\nmodel: "+text)
		} else if found := problems(t, "job: {score: {}}\nmodel: "+text); !strings.Contains(found.Error(), want) {
			t.Errorf("%s: %v, want %q", text, found, want)
		}
	}
	// A variable's value is not shown.
	if found := problems(t, "job: {score: {}}\ncompute:\n  threads: ${SECRET}"); strings.Contains(found.Error(), "hunter2") || !strings.Contains(found.Error(), "${SECRET}") {
		t.Errorf("%v", found)
	}
}

func TestSet(t *testing.T) {
	c := load(t, "job: {infill: {}}\ninput: {files: {paths: [a, b]}}",
		"job.infill.blank_tokens=4", "input.files.paths.1=c", "input.files.paths.2=${N}", "decoding.seed=7", "model=", "output=out.jsonl",
		"strategy.params={threshold: 0.5}", "dead_letters.file.path=dead.jsonl")
	if c.Job.Infill.BlankTokens != 4 || !reflect.DeepEqual(c.Input.Files.Paths, []string{"a", "c", "3"}) || c.Decoding.Seed != 7 ||
		c.Output.File.Path != "out.jsonl" || c.Strategy.Spec() != "confidence:threshold=0.5" || c.DeadLetters.File.Path != "dead.jsonl" {
		t.Errorf("%+v, %+v", c, c.Input.Files)
	}
	// An alias is another place: it stays as it was.
	c = load(t, "input: {kafka: {seed_brokers: &b [x], topics: [in], consumer_group: g}}\noutput: {kafka: {seed_brokers: *b, topic: out}}\njob: {score: {}}", "input.kafka.seed_brokers.0=y")
	if c.Input.Kafka.Brokers[0] != "y:9092" || c.Output.Kafka.Brokers[0] != "x:9092" {
		t.Errorf("%v and %v", c.Input.Kafka.Brokers, c.Output.Kafka.Brokers)
	}
	for assignment, want := range map[string]string{
		"job.infill.blank_token=4": "--set job.infill.blank_token: job.infill.blank_token: unknown field; did you mean blank_tokens?",
		"job":                      "want PATH=VALUE",
		"=4":                       "want PATH=VALUE",
		"job..x=4":                 "an empty name",
		"input.files.paths.7=x":    "not an item of a list of 1: use 0 to 1",
		"model.x=4":                `"x" is below a value`,
		"model={":                  "not YAML",
		"model=${NONE}":            "the variable NONE is not set",
	} {
		if found := problems(t, "job: {infill: {}}\ninput: {files: {paths: [a]}}\nmodel: m", assignment); !strings.Contains(found.Error(), want) {
			t.Errorf("--set %s: %v, want %q", assignment, found, want)
		}
	}
}

func TestMerge(t *testing.T) {
	c := load(t, `
input:
  kafka: &cluster
    seed_brokers: [a]
    client_id: me
    topics: [in]
    consumer_group: g
job: {score: {}}
output: {kafka: {topic: out, seed_brokers: [b]}}
dead_letters:
  file: {<<: {path: x, overwrite: true}, path: y}
`)
	if c.DeadLetters.File.Path != "y" || !c.DeadLetters.File.Overwrite {
		t.Errorf("%+v", c.DeadLetters.File)
	}
}

// Results may be Arrow streams; dead letters are what came in.
func TestFormatOfOutputs(t *testing.T) {
	c := load(t, "input: kafka://b/in?group=g&format=arrow\noutput: kafka://b/out?format=arrow\njob: {infill: {}}")
	if c.Input.Kafka.Format != kafka.FormatArrow || c.Output.Kafka.Format != kafka.FormatArrow {
		t.Errorf("formats %v and %v", c.Input.Kafka.Format, c.Output.Kafka.Format)
	}
	found := problems(t, "input: a.jsonl\njob: {infill: {}}\ndead_letters: kafka://b/dead?format=arrow")
	if len(found) != 1 || !strings.Contains(found[0].Text, "a dead letter holds the record as it was") {
		t.Errorf("%v", found)
	}
}

// Lint refuses exactly-once where the output cannot give it.
func TestExactlyOnce(t *testing.T) {
	const topic, file = "kafka://b/in?group=g", "in.jsonl"
	for _, c := range []struct{ input, output, want string }{
		{file, "out.jsonl", ""},
		{file, `"-"`, "standard output cannot take back"},
		{`"-"`, "out.jsonl", "standard input cannot be read again"},
		{file, "kafka://b/out", "the positions of files cannot be committed"},
		{topic, "out.jsonl", "a group's offsets cannot be committed with a file"},
		{topic, "kafka://b/out", "name a topic for them in dead_letters"},
		{topic, "kafka://b/out\ndead_letters: kafka://b/dead", ""},
	} {
		text := fmt.Sprintf("input: %s\noutput: %s\njob: {infill: {}}\ndelivery: exactly_once", c.input, c.output)
		if c.want == "" {
			load(t, text)
			continue
		}
		found := problems(t, text)
		if len(found) != 1 || found[0].Line != 4 || !strings.Contains(found[0].Text, c.want) {
			t.Errorf("%s to %s: %v, want %q", c.input, c.output, found, c.want)
		}
	}
}

// What is printed is read back as the same, and shows no secret.
func TestPrintedConfigurationIsRead(t *testing.T) {
	for _, text := range []string{
		"job: {infill: {blank_tokens: 3}}\nstrategy: random:size=2\ndecoding: {temperature: 0.8, seed: 18446744073709551615}",
		"job: {rewrite: {select: 'regex:\\bcat\\b'}}\ninput: a.jsonl\noutput: b.jsonl.gz\ndead_letters: {file: {path: c.jsonl, overwrite: true}}",
		"job: {train: {directory: runs/x, optimizer: {steps: 40}, curriculum: [{name: all, steps: 0, phases: ['ltr=0.5,spans=0.5']}]}}\ninput: a.jsonl",
		"job: {score: {per_token: true}}\ninput: {kafka: {seed_brokers: [b], topics: [in], consumer_group: g, sasl: [{mechanism: PLAIN, username: u, password: '${SECRET}'}]}}\noutput: kafka://b/out",
	} {
		c := load(t, text)
		shown, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(shown), "hunter2") {
			t.Errorf("shown with a secret:\n%s", shown)
		}
		again := load(t, string(shown))
		if in := again.Input.Kafka; in != nil && len(in.SASL) > 0 {
			in.SASL[0].Password = kafka.Secret("hunter2")
		}
		if !reflect.DeepEqual(c, again) {
			t.Errorf("%+v\nwas printed as\n%s\nand read as\n%+v", c, shown, again)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "../examples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), "job.infill.blank_tokens=4")
		}
	}
	f.Add("a: &a [*a]\n<<: *a", "a.0=${X:[}")
	f.Add("? [a]\n: b", "=")
	f.Fuzz(func(t *testing.T, text, assignment string) {
		c, err := Load(Source{File: "f", Text: []byte(text), Set: []string{assignment}, Lookup: vars(nil)})
		if err != nil {
			var found Problems
			if !errors.As(err, &found) || len(found) == 0 {
				t.Fatalf("error %v", err)
			}
			return
		}
		if err := c.Complete(); err != nil {
			t.Errorf("read, and then: %v", err)
		}
		if _, err := c.YAML(); err != nil {
			t.Errorf("cannot be printed: %v", err)
		}
	})
}
