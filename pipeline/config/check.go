package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/pipeline/explain"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/rewrite"
)

// checker finds what cannot work. It looks at values alone: whether files and brokers
// are there, a run finds out.
type checker struct {
	problems []Problem // with their paths; their places are looked up later
}

func (k *checker) fail(path, format string, args ...any) {
	k.problems = append(k.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// require reports an error of another package's check.
func (k *checker) require(path string, err error) {
	if err != nil {
		k.fail(path, "%v", err)
	}
}

// Complete fills in what follows from other settings, and reports all that cannot work,
// as Problems.
func (c *Config) Complete() error {
	c.complete()
	k := &checker{}
	c.check(k)
	return Problems(k.problems).err()
}

func (c *Config) check(k *checker) {
	c.checkJob(k)
	c.checkInput(k)
	c.checkDecoding(k)
	c.checkExplain(k)
	if c.Job.Train == nil {
		c.Output.check(k, "output")
		if c.DeadLetters != nil {
			c.checkDeadLetters(k)
		}
	}
	c.checkDelivery(k)
	for path, n := range map[string]int{
		"batching.window": c.Batching.Window, "batching.write_batch": c.Batching.WriteBatch,
		"batching.documents": c.Batching.Documents, "batching.rows": c.Batching.Rows,
	} {
		if n < 1 || n > 1<<20 {
			k.fail(path, "is %d; it must be at least 1 and at most %d", n, 1<<20)
		}
	}
	if c.Compute.Threads < 0 {
		k.fail("compute.threads", "is %d; it must not be negative", c.Compute.Threads)
	}
	if c.Metrics.Address != "" {
		if _, _, err := net.SplitHostPort(c.Metrics.Address); err != nil {
			k.fail("metrics.address", "%q is not host:port, such as 127.0.0.1:9464", c.Metrics.Address)
		}
	}
	k.oneOf("log.format", c.Log.Format, "text", "json")
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
}

func (k *checker) oneOf(path, value string, known ...string) {
	if !slices.Contains(known, value) {
		k.fail(path, "is %q; use %s", value, strings.Join(known[:len(known)-1], ", ")+" or "+known[len(known)-1])
	}
}

func (c *Config) checkJob(k *checker) {
	var named []string
	for name, given := range map[string]bool{
		"infill": c.Job.Infill != nil, "rewrite": c.Job.Rewrite != nil, "score": c.Job.Score != nil, "train": c.Job.Train != nil,
	} {
		if given {
			named = append(named, name)
		}
	}
	slices.Sort(named)
	if len(named) != 1 {
		k.fail("job", "want one of infill, rewrite, score and train, got %s", cmp.Or(strings.Join(named, " and "), "none"))
	}
	longest := infill.DefaultOptions().MaxTokens
	if j := c.Job.Infill; j != nil && (j.BlankTokens < 1 || j.BlankTokens > longest) {
		k.fail("job.infill.blank_tokens", "is %d; it must be 1 to %d", j.BlankTokens, longest)
	}
	if j := c.Job.Rewrite; j != nil {
		if j.Tokens < 0 || j.Tokens > longest {
			k.fail("job.rewrite.tokens", "is %d; it must be 1 to %d, or 0 for the length of the replaced text", j.Tokens, longest)
		}
		if j.Select == "" {
			k.fail("job.rewrite.select", "is missing: say what to replace, as in regex:[0-9]+")
		} else if _, err := rewrite.ParseSelector(j.Select); err != nil {
			k.require("job.rewrite.select", err)
		}
	}
	if j := c.Job.Train; j != nil {
		c.checkTrain(k, j)
	} else if c.Tokenizer != "" {
		k.fail("tokenizer", "is for job train; a model brings its own")
	}
}

func (c *Config) checkTrain(k *checker, j *Train) {
	settings := j.Config
	k.require("job.train", settings.Complete())
	if j.Directory == "" {
		k.fail("job.train.directory", "is missing: name the directory of checkpoints, log and model")
	}
	c.checkTrainInput(k, j)
	if c.Output != (Output{}) {
		k.fail("output", "job train writes to job.train.directory")
	}
	if c.DeadLetters != nil {
		k.fail("dead_letters", "job train leaves bad records out and names them; with strict they end it")
	}
	if c.Model != "" {
		k.fail("model", "job train starts from job.train.init")
	}
	if c.Compute.Type == "int8" {
		k.fail("compute.type", "int8 is for models that are only read; train in float32 or bf16")
	}
}

// checkTrainInput knows what a topic cannot give: it is read once, as it comes.
func (c *Config) checkTrainInput(k *checker, j *Train) {
	if c.Input.Kafka == nil {
		if j.HeldOutShare != 0 {
			k.fail("job.train.held_out_share", "is for documents of a topic; of files, held_out documents are kept")
		}
		if len(j.HeldOutFiles) > 0 {
			k.fail("job.train.held_out_files", "is for documents of a topic; of files, held_out documents are kept")
		}
		return
	}
	if c.Tokenizer == "" && j.Init == "" {
		k.fail("tokenizer", "is missing: a topic is read once, so no vocabulary is learned from it; name a tokenizer.json, or a model to start from in job.train.init")
	}
	if len(j.HeldOutFiles) > 0 && j.HeldOutShare != 0 {
		k.fail("job.train.held_out_share", "and held_out_files are both given; measure on one of them")
	}
	if slices.Contains(j.HeldOutFiles, "") || slices.Contains(j.HeldOutFiles, Stdio) {
		k.fail("job.train.held_out_files", "want files or globs; they are read again when the run goes on")
	}
}

func (c *Config) checkInput(k *checker) {
	switch in := c.Input; {
	case in.Files != nil && in.Kafka != nil:
		k.fail("input", "files and kafka are both given; a job reads one of them")
	case in.Kafka != nil:
		k.require("input.kafka", in.Kafka.Validate())
	case in.Files != nil:
		if len(in.Files.Paths) == 0 {
			k.fail("input.files.paths", "is empty; name files, globs, or - for standard input")
		}
		if slices.Contains(in.Files.Paths, "") {
			k.fail("input.files.paths", "a path is empty")
		}
		_, err := file.ParseFormat(in.Files.Format)
		k.require("input.files.format", err)
		if n := in.Files.MaxRecordBytes; n < 1 || n > 1<<30 {
			k.fail("input.files.max_record_bytes", "is %d; it must be at least 1 and at most 1 GiB", n)
		}
	}
}

func (o Output) check(k *checker, path string) {
	switch {
	case o.File != nil && o.Kafka != nil:
		k.fail(path, "file and kafka are both given; choose one")
	case o.Kafka != nil:
		k.require(path+".kafka", o.Kafka.Validate())
	case o.File == nil:
		k.fail(path, "names neither a file nor a topic")
	case o.File.Path == "":
		k.fail(path+".file.path", "is missing: name a file, or - for standard output")
	}
}

func (c *Config) checkDeadLetters(k *checker) {
	c.DeadLetters.check(k, "dead_letters")
	a, b := c.Output, *c.DeadLetters
	switch {
	case b.Kafka != nil && b.Kafka.Format != kafka.FormatJSON:
		k.fail("dead_letters.kafka.format", "is for results; a dead letter holds the record as it was")
	case a.File != nil && b.File != nil && a.File.Path == b.File.Path && a.File.Path != "":
		k.fail("dead_letters", "is the output, %s", a.File.Path)
	case a.Kafka != nil && b.Kafka != nil && a.Kafka.Topic != "" && a.Kafka.Topic == b.Kafka.Topic && slices.Equal(a.Kafka.Brokers, b.Kafka.Brokers):
		k.fail("dead_letters", "is the output, topic %s", a.Kafka.Topic)
	}
}

func (c *Config) checkDecoding(k *checker) {
	d := c.Decoding
	if !(d.Temperature >= 0 && d.Temperature <= 100) {
		k.fail("decoding.temperature", "is %v; it must be 0 (take the most probable token) to 100", d.Temperature)
	} else if d.Temperature == 0 && (d.TopK != 0 || d.TopP != 1) {
		path := "decoding.top_k"
		if d.TopK == 0 {
			path = "decoding.top_p"
		}
		k.fail(path, "is among which tokens to draw, but at temperature 0 nothing is drawn; give a temperature, such as 0.8")
	}
	if d.TopK < 0 {
		k.fail("decoding.top_k", "is %d; it must be 0 (all) or a number of tokens", d.TopK)
	}
	if !(d.TopP > 0 && d.TopP <= 1) {
		k.fail("decoding.top_p", "is %v; it must be above 0 and at most 1", d.TopP)
	}
	k.oneOf("decoding.regroup", d.Regroup, string(decode.RegroupCommit), string(decode.RegroupPublished))
	if c.Job.Fills() && c.Strategy.Name == "" {
		k.fail("strategy.name", "is missing; see a3 plugins list")
	}
	if digest, err := hex.DecodeString(c.Strategy.SHA256); err != nil || len(digest) != 0 && len(digest) != sha256.Size {
		k.fail("strategy.sha256", "is %q; it must be the 64 hexadecimal digits that sha256sum prints for the executable", c.Strategy.SHA256)
	}
	for name, value := range c.Strategy.Params {
		if strings.ContainsAny(name, ":,=") || strings.Contains(value, ",") {
			k.fail("strategy.params."+name, "names hold no colon, comma or equals sign, and values no comma")
		}
	}
}

// checkStrategy reports, as Problems, a strategy that is not among those that are shipped,
// and parameters that it refuses. What an executable takes, only a start of it tells.
func (c *Config) checkStrategy(shipped []sdk.Plugin) error {
	s := c.Strategy
	if shipped == nil || !c.Job.Fills() || s.Name == "" || strings.ContainsAny(s.Name, `/\`) {
		return nil
	}
	k := &checker{}
	found, err := sdk.Find(shipped, s.Name)
	switch {
	case err == nil:
		_, err = found.Open(s.Params)
		k.require("strategy.params", err)
	case s.Directory == "":
		k.fail("strategy.name", "%v (an executable needs a path, such as ./%s)", err, s.Name)
	}
	return Problems(k.problems).err()
}

func (c *Config) checkExplain(k *checker) {
	e := c.Explain
	if e == nil {
		return
	}
	if _, err := explain.ParseForm(e.Form); err != nil {
		k.require("explain.form", err)
	} else if e.Form == string(explain.HTML) && e.File == "" {
		k.fail("explain", "is without a file, and a page needs one: html:page.html")
	}
	if c.Job.Name() != "" && !c.Job.Fills() {
		k.fail("explain", "is for jobs that fill blanks, infill and rewrite")
	}
	switch {
	case e.File == "":
	case e.File == Stdio:
		k.fail("explain.file", "standard output is for records; name a file, or none for standard error")
	case c.Output.File != nil && c.Output.File.Path == e.File:
		k.fail("explain.file", "is the output, %s", e.File)
	case c.DeadLetters != nil && c.DeadLetters.File != nil && c.DeadLetters.File.Path == e.File:
		k.fail("explain.file", "is the file of the dead letters, %s", e.File)
	}
}

// checkDelivery refuses a guarantee that the ends of the pipeline cannot give: output and
// position must be made durable in one step, by the ledger of an output file or by a
// transaction of Kafka.
func (c *Config) checkDelivery(k *checker) {
	if c.Delivery.MaxAttempts < 0 {
		k.fail("delivery.max_attempts", "is %d; it must not be negative", c.Delivery.MaxAttempts)
	}
	if _, err := c.Delivery.FailureLimit(); err != nil {
		k.fail("delivery.max_failures", "%v", err)
	}
	k.oneOf("delivery.guarantee", string(c.Delivery.Guarantee), string(AtLeastOnce), string(ExactlyOnce))
	if c.Delivery.Guarantee != ExactlyOnce || c.Job.Train != nil {
		return
	}
	const path = "delivery.guarantee"
	switch {
	case c.Output.ToStdout():
		k.fail(path, "exactly_once: standard output cannot take back what it printed before a crash; write to a file, or use at_least_once")
	case c.Output.Kafka != nil && c.Input.Kafka == nil:
		k.fail(path, "exactly_once: the positions of files cannot be committed with a topic's records; write to a file, or use at_least_once")
	case c.Output.File != nil && c.Input.Kafka != nil:
		k.fail(path, "exactly_once: a group's offsets cannot be committed with a file; write to a topic, or use at_least_once")
	case c.Output.Kafka != nil && (c.DeadLetters == nil || c.DeadLetters.Kafka == nil):
		k.fail(path, "exactly_once: dead letters are written in the same transaction; name a topic for them in dead_letters, or use at_least_once")
	case c.Input.Files != nil && slices.Contains(c.Input.Files.Paths, Stdio):
		k.fail(path, "exactly_once: standard input cannot be read again from where a crash left it; read files, or use at_least_once")
	}
}

// joinParams writes parameters as k=v,k=v.
func joinParams(params map[string]string) string {
	parts := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		parts = append(parts, name+"="+params[name])
	}
	return strings.Join(parts, ",")
}
