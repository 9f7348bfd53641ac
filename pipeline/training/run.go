package training

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/tokenize"
)

// Job is one training run.
type Job struct {
	Config    Config
	Corpus    *batching.Corpus
	Tokenizer *tokenize.Tokenizer
	Dir       string            // of checkpoints, the log and the final model
	Init      *checkpoint.Model // whose weights the run starts from, with its tokenizer; nil = random ones
	Threads   int
	Kernels   *kernels.Kernels
	Compute   kernels.Type // what products are computed in: Float32 or BF16
	RecordTo  string       // folder for the batches as Arrow IPC; empty = none
	ReplayOf  string       // folder of a recording to train on instead of drawing batches; empty = none
	AnyLevel  bool         // resume on another CPU level or in another compute type, giving up equal bits
	Tool      string       // program and version, for the manifest
	Report    func(Progress)
	Warn      func(string)    // told of damaged checkpoints that were passed over
	Stop      <-chan struct{} // closed: write a checkpoint after this step, then end
}

// StoppedError says that Stop was closed before the last step. The checkpoint is
// written: running the job again goes on from there.
type StoppedError struct{ Step, Steps int }

func (e *StoppedError) Error() string {
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
	Model   string             // directory of the final model
	HeldOut map[string]float64 // losses by order in nats a token
	Resumed int                // step at which this run began
}

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
	from := r.trainer.Done
	if err := r.steps(ctx, store); err != nil {
		return nil, err
	}
	losses, err := r.heldOut.losses(ctx, r.trainer)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Model: filepath.Join(j.Dir, "model"), HeldOut: losses, Resumed: from}
	return out, r.export(ctx, out.Model)
}

// run is the state of a Job while it runs.
type run struct {
	*Job
	llama     *checkpoint.LlamaConfig
	tokenizer []byte
	recipe    batching.Recipe
	trainer   *train.Trainer
	training  *batching.Corpus
	heldOut   *heldOut
	cursor    batching.Cursor
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
	training, held, err := j.Corpus.Split(batching.HeldOut{Count: min(j.Config.HeldOut, j.Corpus.Len()/10)})
	if err != nil {
		return nil, err
	}
	if r.training, err = withoutCopies(training, held); err != nil {
		return nil, err
	}
	if r.heldOut, err = newHeldOut(held, r.recipe); err != nil {
		return nil, err
	}
	m, err := r.startingModel()
	if err != nil {
		return nil, err
	}
	r.trainer, err = train.New(m, j.Config.Optimizer, j.Threads)
	return r, err
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

// source gives the batch for a step: a batching.Loader or a batching.Replay.
type source interface {
	Next(ctx context.Context, step int) (*batching.TrainingBatch, error)
	Close() error
}

func (r *run) open() (source, error) {
	if r.ReplayOf != "" {
		return batching.OpenReplay(r.ReplayOf, nil)
	}
	return batching.NewCorpusLoader(r.training, 0, r.recipe, batching.LoaderOptions{From: r.cursor})
}

// steps trains from where the trainer stands to the last step.
func (r *run) steps(ctx context.Context, store *checkpoint.Store) (err error) {
	if r.log, err = openLog(r.Dir, r.trainer.Done); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.log.Close()) }()
	src, err := r.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	var recorder *batching.Recorder
	if r.RecordTo != "" {
		if recorder, err = batching.NewRecorder(r.RecordTo, r.recipe, batching.RecorderOptions{From: r.trainer.Done}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, recorder.Close()) }()
	}
	for r.trainer.Done < r.Config.Optimizer.Steps {
		p, err := r.step(ctx, src, recorder)
		if err != nil {
			return err
		}
		if p.HeldOut, err = r.evaluate(ctx, p.Step); err != nil {
			return err
		}
		if err := r.log.write(&p); err != nil {
			return err
		}
		done, last := r.trainer.Done, r.Config.Optimizer.Steps
		stop := r.stopped() && done < last
		if stop || done%r.Config.SaveEvery == 0 || done == last {
			if recorder != nil {
				if err := recorder.Flush(); err != nil {
					return err
				}
			}
			if p.Saved, err = r.save(ctx, store, &p); err != nil {
				return err
			}
		}
		if r.Report != nil {
			r.Report(p)
		}
		if stop {
			return &StoppedError{done, last}
		}
	}
	return nil
}

func (r *run) stopped() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}

func (r *run) step(ctx context.Context, src source, recorder *batching.Recorder) (p Progress, err error) {
	start := time.Now()
	batch, err := src.Next(ctx, r.trainer.Done)
	if errors.Is(err, io.EOF) {
		return p, fmt.Errorf("the recording ends before step %d", r.trainer.Done)
	}
	if err != nil {
		return p, err
	}
	defer batch.Release()
	if err := r.fits(batch); err != nil {
		return p, err
	}
	if recorder != nil {
		if err := recorder.Write(batch); err != nil {
			return p, err
		}
	}
	r.trainer.Copy = r.copies(batch.Stage(), batch.Step())
	stats, err := r.trainer.Step(ctx, batch.Segments())
	if err != nil {
		return p, err
	}
	r.cursor = batch.After()
	return Progress{
		Stats: stats, Steps: r.Config.Optimizer.Steps, Stage: r.Config.Curriculum[batch.Stage()].Name,
		Positions: batch.Positions(), Elapsed: time.Since(start),
	}, nil
}

// fits reports a recorded batch that was drawn by another recipe.
func (r *run) fits(batch *batching.TrainingBatch) error {
	if r.ReplayOf == "" {
		return nil
	}
	want, err := batching.TrainingSchema(r.recipe)
	if err != nil {
		return err
	}
	got := batch.Record().Schema().Metadata()
	var changed []string
	for i, value := range want.Metadata().Values() {
		was, _ := got.GetValue(want.Metadata().Keys()[i])
		changed = append(changed, differences([]byte(was), []byte(value))...)
	}
	if len(changed) > 0 {
		return &MismatchError{"recording " + r.ReplayOf, "was made with other settings: " + list(changed) + "; replay it with those"}
	}
	return nil
}

// evaluate measures the held-out losses where they are due: at the end of a stage and
// every EvalEvery steps.
func (r *run) evaluate(ctx context.Context, step int) (map[string]float64, error) {
	here, _ := r.Config.Curriculum.At(step)
	next, _ := r.Config.Curriculum.At(step + 1)
	due := here != next || r.trainer.Done == r.Config.Optimizer.Steps
	if every := r.Config.EvalEvery; every > 0 && r.trainer.Done%every == 0 {
		due = true
	}
	if !due {
		return nil, nil
	}
	return r.heldOut.losses(ctx, r.trainer)
}

func (r *run) save(ctx context.Context, store *checkpoint.Store, p *Progress) (string, error) {
	cursor, err := json.Marshal(r.cursor)
	if err != nil {
		return "", err
	}
	losses := map[string]float64{"train": p.Loss}
	for name, loss := range p.HeldOut {
		losses["held_out/"+name] = loss
	}
	dir, err := store.Save(ctx, &checkpoint.State{
		Manifest: checkpoint.Manifest{
			Step: int64(r.trainer.Done), Seed: r.Config.Seed, Curriculum: r.Config.Curriculum.String(),
			Cursor: cursor, Losses: losses, Trainer: r.settings, MicroBatch: r.Config.Batch, Shards: r.Config.Optimizer.Shards,
			Compute: string(r.Compute), CPULevel: string(r.Kernels.Level()), Tool: r.Tool,
		},
		Config: r.llama, Tokenizer: r.tokenizer, Params: r.params(),
	})
	if err != nil {
		return "", err
	}
	_, err = store.Prune(checkpoint.Retention{Last: r.Config.Keep})
	return dir, err
}
