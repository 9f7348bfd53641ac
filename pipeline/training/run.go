package training

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/tokenize"
)

// Job is one training run.
type Job struct {
	Config    Config
	Corpus    *batching.Corpus                     // what to learn from, unless there is a Topic
	Topic     Topic                                // what to learn from as it comes; nil = the corpus
	Held      *batching.Corpus                     // documents to measure on, beside a topic; nil = none
	Parse     record.Options                       // of a topic's records
	Bad       func(connectors.Origin, error) error // told of a topic's records that cannot be used, by the goroutine that reads; an error ends the run
	Tokenizer *tokenize.Tokenizer
	Dir       string            // of checkpoints, the log and the final model
	Init      *checkpoint.Model // whose weights the run starts from, with its tokenizer; nil = random ones
	Threads   int
	Kernels   *kernels.Kernels
	Compute   kernels.Type                     // what products are computed in: Float32 or BF16
	RecordTo  string                           // folder for the batches as Arrow IPC; empty = none
	ReplayOf  string                           // folder of a recording to train on instead of drawing batches; empty = none
	AnyLevel  bool                             // resume on another CPU level or in another compute type, giving up equal bits
	SkipLost  bool                             // resume though records behind the checkpoint are gone from the topic
	Tool      string                           // program and version, for the manifest
	Start     func(heldOut map[string]float64) // told of the losses before the first step
	Report    func(Progress)
	Warn      func(string)    // told of what does not end the run: damaged checkpoints, lost records
	Stop      <-chan struct{} // closed: write a checkpoint after this step, then end
}

// StoppedError says that Stop was closed, or the documents of a topic came to their end,
// before the last step. The checkpoint is
// written: running the job again goes on from there.
type StoppedError struct {
	Step, Steps int
	UsedUp      bool // not Stop, but the end of the topic's documents
}

func (e *StoppedError) Error() string {
	if e.UsedUp {
		return fmt.Sprintf("the topic's documents are used up after step %d of %d; the same command goes on when there are more", e.Step, e.Steps)
	}
	return fmt.Sprintf("stopped after step %d of %d; the same command goes on from there", e.Step, e.Steps)
}

// Progress is told after every step.
type Progress struct {
	train.Stats
	Steps     int                // of the whole run
	Stage     string             // of the curriculum
	Positions int                // of documents in this step
	Elapsed   time.Duration      // of this step
	HeldOut   map[string]float64 // losses by order in nats a token, if they were measured
	Saved     string             // checkpoint written, if any
}

// Outcome is what a finished run leaves.
type Outcome struct {
	Model   string                 // directory of the final model
	Run     checkpoint.TrainingRun // with the held-out losses after each stage
	Resumed int                    // step at which this process began
}

// Orders are the names of the held-out losses, in the order of reports.
func Orders() []string { return slices.Clone(heldOutOrders) }

// Run trains to the last step, or until ctx ends; then the last checkpoint is where the
// next run goes on. A directory that holds checkpoints of this job is resumed.
func (j *Job) Run(ctx context.Context) (*Outcome, error) {
	if err := j.adopt(ctx); err != nil {
		return nil, err
	}
	if err := j.Config.Complete(); err != nil {
		return nil, err
	}
	store, err := checkpoint.OpenStore(j.Dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	r, err := j.prepare()
	if err != nil {
		return nil, err
	}
	if err := r.resume(ctx, store); err != nil {
		return nil, err
	}
	if r.streams() {
		place := r.checkLost
		if r.saved == "" {
			place = r.beginStream
		}
		if err := place(ctx); err != nil {
			return nil, err
		}
	}
	from := r.trainer.Done
	if err := r.steps(ctx, store); err != nil {
		return nil, r.remedy(err)
	}
	out := &Outcome{Model: filepath.Join(j.Dir, "model"), Run: r.history(), Resumed: from}
	return out, r.export(ctx, out.Model, out.Run)
}

// remedy says what to do about an error that ended the run. What was saved is good.
func (r *run) remedy(err error) error {
	saved := "no checkpoint was written yet"
	again := "in another directory"
	if r.saved != "" {
		saved = "the last checkpoint, " + r.saved + ", is as it was"
		if r.Config.Trained.All() { // else it is no whole model
			again += ", from that checkpoint (--init)"
		}
	}
	var diverged *train.DivergedError
	switch {
	case errors.As(err, &diverged):
		return fmt.Errorf("%w; %s: start again %s, with a lower lr, a longer warmup or without a bad document", err, saved, again)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w; %s: free some space and run the same command again", err, saved)
	}
	return err
}

// history is what the model says of this run.
func (r *run) history() checkpoint.TrainingRun {
	return checkpoint.TrainingRun{
		Init: r.Config.Init, Seed: r.Config.Seed, Batch: r.Config.Batch, Steps: r.trainer.Done,
		Skipped: r.trainer.Health.Skipped, Documents: r.documents(),
		Compute: string(r.Compute), CPULevel: string(r.Kernels.Level()), Tool: r.Tool,
		HeldOut: r.state.HeldOut, Stages: r.state.Ended,
	}
}

// run is the state of a Job while it runs.
type run struct {
	*Job
	llama     *checkpoint.LlamaConfig
	tokenizer []byte
	recipe    batching.Recipe
	trainer   *train.Trainer
	training  *batching.Corpus // nil if there is a topic
	held      *batching.Corpus
	stream    *stream // nil if documents are not read as they come
	heldOut   *heldOut
	state     state
	course    order.Course
	undecided int    // as undecided returned it last
	saved     string // directory of the last good checkpoint, if there is one
	log       *runLog
	settings  []byte // Config as JSON: part of the manifest
}

func (j *Job) prepare() (*run, error) {
	r := &run{Job: j}
	var err error
	if r.settings, err = json.Marshal(j.Config); err != nil {
		return nil, err
	}
	if r.llama, err = j.architecture(); err != nil {
		return nil, err
	}
	if r.tokenizer, err = j.Tokenizer.JSON(); err != nil {
		return nil, err
	}
	r.recipe = j.Config.recipe(r.llama)
	if err := r.recipe.Validate(); err != nil {
		return nil, err
	}
	if err := r.split(); err != nil {
		return nil, err
	}
	if r.heldOut, err = newHeldOut(r.held, r.recipe); err != nil {
		return nil, err
	}
	for i, s := range j.Config.Curriculum {
		if s.Advance != nil && r.held.Len() == 0 {
			return nil, s.name(i, errors.New("advance: no document is held out to measure; "+r.remedyHeldOut()))
		}
	}
	m, err := r.startingModel()
	if err != nil {
		return nil, err
	}
	r.course = r.state.course(j.Config.Curriculum)
	r.trainer, err = train.New(m, j.Config.Optimizer, j.Threads)
	return r, err
}

// split says what is trained and what is measured.
func (r *run) split() (err error) {
	if r.Topic != nil {
		if r.held = r.Held; r.held == nil {
			r.held = &batching.Corpus{}
		}
		r.state.Held = r.held.Digest()
		return nil
	}
	r.training, r.held, err = r.Corpus.Split(batching.HeldOut{Count: min(r.Config.HeldOut, r.Corpus.Len()/10)})
	if err != nil {
		return err
	}
	r.training, err = withoutCopies(r.training, r.held)
	return err
}

func (r *run) remedyHeldOut() string {
	if r.Topic != nil {
		return "name files of documents to measure, or set held_out_share"
	}
	return "set held_out, and give at least ten documents"
}

// streams says whether documents are read as they come.
func (r *run) streams() bool { return r.Topic != nil && r.ReplayOf == "" }

// documents returns the number of documents that the run has learned from.
func (r *run) documents() int {
	if r.Topic != nil {
		return r.state.Documents
	}
	return r.training.Len()
}

// params lists the weights with their moments for a checkpoint.
func (r *run) params() []checkpoint.Param {
	t := r.trainer
	out := make([]checkpoint.Param, len(t.Model.Params.Tensors))
	for i, p := range t.Model.Params.Tensors {
		out[i] = checkpoint.Param{Name: p.Name, Shape: p.Shape, Value: p.Data, M: t.First.Tensors[i].Data, V: t.Second.Tensors[i].Data}
	}
	return out
}
