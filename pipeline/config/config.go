package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/training"
)

// Config is a job: what to read, what to do with it, and where results go.
type Config struct {
	Input       Input    `yaml:"input"`
	Tokenizer   string   `yaml:"tokenizer,omitempty"` // tokenizer.json of a model to train; other models bring theirs
	Model       string   `yaml:"model"`               // directory; empty = the embedded one
	Compute     Compute  `yaml:"compute"`
	Batching    Batching `yaml:"batching"`
	Job         Job      `yaml:"job"`
	Strategy    Strategy `yaml:"strategy"`
	Decoding    Decoding `yaml:"decoding"`
	Explain     *Explain `yaml:"explain,omitempty"` // nil = do not
	Output      Output   `yaml:"output"`
	DeadLetters *Output  `yaml:"dead_letters,omitempty"` // nil = complaints in the log
	Delivery    Delivery `yaml:"delivery"`
	Metrics     Metrics  `yaml:"metrics"`
	Log         Log      `yaml:"log"`
}

// Input is where documents come from: files, unless a topic is named.
type Input struct {
	Files *Files               `yaml:"files,omitempty"`
	Kafka *kafka.SourceOptions `yaml:"kafka,omitempty"`
}

// Files are documents in files or on standard input.
type Files struct {
	Paths          []string `yaml:"paths"`            // files, globs, or - for standard input
	Format         string   `yaml:"format"`           // auto, jsonl, text or text-lines
	MaxRecordBytes int      `yaml:"max_record_bytes"` // of a line or document, after decompression
}

// Compute says what to compute with.
type Compute struct {
	Threads int    `yaml:"threads"` // 0 = one for each CPU
	CPU     string `yaml:"cpu"`     // level; empty = A3_CPU of the environment, else the best
	Type    string `yaml:"type"`    // float32, bf16 or int8; empty = A3_COMPUTE of the environment, else what the CPU is made for
}

// Batching bounds what is in work at the same time. It never changes a result.
type Batching struct {
	Window     int `yaml:"window"`      // records between input and output
	WriteBatch int `yaml:"write_batch"` // records written, and acknowledged, at a time
	Documents  int `yaml:"documents"`   // decoded at the same time
	Rows       int `yaml:"rows"`        // of one model call, over all documents
}

// Job is what is done with documents: exactly one of these.
type Job struct {
	Infill  *Infill  `yaml:"infill,omitempty"`
	Rewrite *Rewrite `yaml:"rewrite,omitempty"`
	Score   *Score   `yaml:"score,omitempty"`
	Train   *Train   `yaml:"train,omitempty"`
}

// Infill fills the blanks of documents.
type Infill struct {
	BlankTokens int  `yaml:"blank_tokens"` // length of a blank that names none
	Strict      bool `yaml:"strict"`       // unknown fields of a record are errors
}

// Rewrite turns what a pattern matches into blanks and fills them.
type Rewrite struct {
	Select string `yaml:"select"` // regex:PATTERN
	Tokens int    `yaml:"tokens"` // length of every blank; 0 = that of the text it replaces
	Strict bool   `yaml:"strict"` // unknown fields of a record are errors
}

// Score reports how probable the model finds documents.
type Score struct {
	PerToken bool `yaml:"per_token"` // token ids and their log-probabilities too
	Strict   bool `yaml:"strict"`    // unknown fields of a record are errors
}

// Train fits a model to the documents.
type Train struct {
	Directory string `yaml:"directory"`        // of checkpoints, log and model
	Init      string `yaml:"init,omitempty"`   // model directory to start from
	Record    string `yaml:"record,omitempty"` // folder that receives every batch as Arrow IPC
	Replay    string `yaml:"replay,omitempty"` // folder of recorded batches to train on
	SkipLost  bool   `yaml:"skip_lost"`        // resume though records behind the checkpoint are gone from the topic
	AnyCPU    bool   `yaml:"any_cpu"`          // resume on another CPU level, giving up equal bits
	Strict    bool   `yaml:"strict"`           // a bad record ends the job

	HeldOutFiles []string `yaml:"held_out_files,omitempty"` // documents to measure on where input is a topic

	training.Config `yaml:",inline"`
}

// Strategy says which plugin decides what is filled when.
type Strategy struct {
	Name      string            `yaml:"name"` // of a built-in strategy or a file of Directory, or the path of an executable
	Params    map[string]string `yaml:"params,omitempty"`
	InProcess bool              `yaml:"in_process"`          // a built-in strategy without a process of its own
	Directory string            `yaml:"directory,omitempty"` // holds executables that are known by their names
	SHA256    string            `yaml:"sha256,omitempty"`    // hexadecimal digest that the executable must have
	MTLS      bool              `yaml:"mtls,omitempty"`      // certificates on both ends of the connection
}

// Decoding says how tokens are chosen.
type Decoding struct {
	Seed        uint64  `yaml:"seed"`
	Temperature float64 `yaml:"temperature"` // 0 = the most probable token
	TopK        int     `yaml:"top_k"`       // 0 = all
	TopP        float64 `yaml:"top_p"`       // 1 = all
	Cache       bool    `yaml:"cache"`       // false = compute everything anew in each step
	Regroup     string  `yaml:"regroup"`     // commit or published
}

// Explain says how to tell in which order the blanks were filled.
type Explain struct {
	Form string `yaml:"form"` // text, json or html
	File string `yaml:"file"` // replaced by each run; empty = standard error
}

// Output is where records go: a file, unless a topic is named.
type Output struct {
	File  *File              `yaml:"file,omitempty"`
	Kafka *kafka.SinkOptions `yaml:"kafka,omitempty"`
}

// File is an output file.
type File struct {
	Path      string `yaml:"path"`      // - is standard output
	Overwrite bool   `yaml:"overwrite"` // start over instead of going on behind what it holds
}

// Guarantee is how often the output of a record may appear when workers die.
type Guarantee string

// The guarantees.
const (
	AtLeastOnce Guarantee = "at_least_once" // twice after a crash, with the same bytes
	ExactlyOnce Guarantee = "exactly_once"
)

// Delivery says what a crash may do to the output.
type Delivery struct {
	Guarantee Guarantee `yaml:"guarantee"`
	// Journal is a folder where each worker remembers what it has computed and not yet
	// delivered, so that it is not computed again after a crash; empty = none.
	Journal string `yaml:"journal,omitempty"`
	// MaxAttempts is how many workers may die at work on a record before it becomes a dead
	// letter; 0 = any number. They are counted in the journal.
	MaxAttempts int `yaml:"max_attempts"`
	// MaxFailures ends the job when more than so many records fail in a row of so many,
	// MOST/OF; empty = never.
	MaxFailures string `yaml:"max_failures,omitempty"`
}

// FailureLimit returns MaxFailures as the pipeline takes it.
func (d Delivery) FailureLimit() (pipeline.FailureLimit, error) {
	var l pipeline.FailureLimit
	if d.MaxFailures == "" {
		return l, nil
	}
	most, of, _ := strings.Cut(d.MaxFailures, "/")
	var err error
	if l.Most, err = strconv.Atoi(most); err == nil {
		l.Of, err = strconv.Atoi(of)
	}
	if err != nil || l.Validate() != nil {
		return l, fmt.Errorf("is %q; write MOST/OF, such as 10/100: the job ends when more than 10 of the last 100 records failed", d.MaxFailures)
	}
	return l, nil
}

// Metrics says where the job can be watched.
type Metrics struct {
	Address string `yaml:"address,omitempty"` // host:port of /metrics, /livez and /readyz; empty = none
}

// Log says what is told on standard error.
type Log struct {
	Format string `yaml:"format"` // text or json
	Level  string `yaml:"level"`  // debug, info, warn or error
}

// Stdio is the path of standard input and standard output.
const Stdio = "-"

// Default returns what holds where a configuration says nothing. It has no job.
func Default() Config {
	p, d := pipeline.DefaultOptions(), decode.DefaultOptions()
	c := Config{
		Batching: Batching{Window: p.Window, WriteBatch: p.WriteBatch, Documents: d.MaxDocuments, Rows: d.MaxRows},
		Strategy: Strategy{Name: "confidence"},
		Decoding: Decoding{TopP: d.TopP, Cache: true, Regroup: string(d.Regroup)},
		Delivery: Delivery{Guarantee: AtLeastOnce, MaxAttempts: 2},
		Log:      Log{Format: "text", Level: "info"},
	}
	return c
}

// complete gives the input and the output their defaults: standard input and output.
func (c *Config) complete() {
	if c.Input == (Input{}) {
		c.Input.Files = &Files{}
		c.Input.Files.setDefaults()
		c.Input.Files.Paths = []string{Stdio}
	}
	if t := c.Job.Train; t != nil && t.Optimizer.Steps == 0 && !t.Curriculum.Bounded() {
		t.Optimizer.Steps = training.Default().Optimizer.Steps
	}
	if c.Output == (Output{}) && c.Job.Train == nil {
		c.Output.File = &File{Path: Stdio}
	}
}

func (f *Files) setDefaults() {
	o := file.DefaultSourceOptions()
	f.Format, f.MaxRecordBytes = o.Format.String(), o.MaxRecordBytes
}

func (f *File) setDefaults() {}

func (i *Infill) setDefaults() { i.BlankTokens = infill.DefaultOptions().BlankTokens }

func (t *Train) setDefaults() {
	t.Config = training.Default()
	t.Optimizer.Steps = 0 // until somebody says it, or the curriculum
}

// parse reads an input that is one word: a file, a glob, -, or kafka://...
func (i *Input) parse(text string) error { return i.Add(text) }

// Add adds an input: a file, a glob, - for standard input, or the address of a topic,
// which must be the only input.
func (i *Input) Add(address string) error {
	topic := strings.HasPrefix(address, kafka.Prefix)
	if i.Kafka != nil || topic && i.Files != nil {
		return errors.New("a topic must be the only input")
	}
	if topic {
		o, err := kafka.ParseSource(address)
		if err == nil {
			i.Kafka = &o
		}
		return err
	}
	if i.Files == nil {
		i.Files = &Files{}
		i.Files.setDefaults()
	}
	i.Files.Paths = append(i.Files.Paths, address)
	return nil
}

// parse reads an output that is one word.
func (o *Output) parse(text string) (err error) {
	*o, err = ParseOutput(text)
	return err
}

// ParseOutput reads a file's name, - for standard output, or kafka://broker/topic.
func ParseOutput(address string) (Output, error) {
	if !strings.HasPrefix(address, kafka.Prefix) {
		return Output{File: &File{Path: address}}, nil
	}
	o, err := kafka.ParseSink(address)
	if err != nil {
		return Output{}, err
	}
	return Output{Kafka: &o}, nil
}

// String names the output in messages.
func (o Output) String() string {
	switch {
	case o.Kafka != nil:
		return "topic " + o.Kafka.Topic
	case o.File != nil:
		return o.File.Path
	}
	return "nothing"
}

// ToStdout reports whether the output is standard output.
func (o Output) ToStdout() bool { return o.File != nil && o.File.Path == Stdio }

// parse reads a strategy that is one word.
func (s *Strategy) parse(text string) error {
	parsed, err := ParseStrategy(text)
	if err == nil {
		s.Name, s.Params = parsed.Name, parsed.Params
	}
	return err
}

// parse reads an explanation that is one word.
func (e *Explain) parse(text string) error {
	*e = ParseExplain(text)
	return nil
}

// ParseExplain reads FORM or FORM:FILE. Whether there is such a form, Config.Complete says.
func ParseExplain(text string) Explain {
	form, file, _ := strings.Cut(text, ":")
	return Explain{Form: form, File: file}
}

// ParseStrategy reads NAME[:k=v,...], or a path in the place of the name.
func ParseStrategy(spec string) (Strategy, error) {
	name, params, err := sdk.ParseSpec(spec)
	if err != nil {
		return Strategy{}, err
	}
	return Strategy{Name: name, Params: params}, nil
}

// parse reads the guarantee alone.
func (d *Delivery) parse(text string) error {
	d.Guarantee = Guarantee(text)
	return nil
}

// parse reads the address alone.
func (m *Metrics) parse(text string) error {
	m.Address = text
	return nil
}

// Name returns what the job is called: infill, rewrite, score or train.
func (j Job) Name() string {
	switch {
	case j.Infill != nil:
		return "infill"
	case j.Rewrite != nil:
		return "rewrite"
	case j.Score != nil:
		return "score"
	case j.Train != nil:
		return "train"
	}
	return ""
}

// Fills reports whether the job fills blanks, with a strategy.
func (j Job) Fills() bool { return j.Infill != nil || j.Rewrite != nil }

// Spec returns the strategy as one word, NAME:k=v,..., with its parameters in the order
// of their names.
func (s Strategy) Spec() string {
	if len(s.Params) == 0 {
		return s.Name
	}
	return fmt.Sprintf("%s:%s", s.Name, joinParams(s.Params))
}
