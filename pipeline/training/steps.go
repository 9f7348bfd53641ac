package training

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/train"
)

// source gives the batch for a step: a batching.Loader or a batching.Replay.
type source interface {
	Next(ctx context.Context, step int) (*batching.TrainingBatch, error)
	Close() error
}

func (r *run) open(ctx context.Context) (source, error) {
	if r.ReplayOf != "" {
		return batching.OpenReplay(r.ReplayOf, nil)
	}
	r.undecided = undecided(r.Config.Curriculum, r.course, r.trainer.Done)
	opts := batching.LoaderOptions{From: r.state.Cursor, Taken: r.course.Taken, Until: r.undecided}
	if r.Topic == nil {
		return batching.NewCorpusLoader(r.training, 0, r.recipe, opts)
	}
	stream, err := r.openStream(ctx)
	if err != nil {
		return nil, err
	}
	loader, err := batching.NewStreamLoader(stream, r.recipe, opts)
	if err != nil {
		return nil, errors.Join(err, stream.close(ctx))
	}
	r.stream = stream
	return &streamLoader{loader, func() error { return stream.close(ctx) }}, nil
}

// beginStream notes where a new run begins in its topic.
func (r *run) beginStream(ctx context.Context) error {
	from, err := r.Topic.Begin(ctx)
	if err != nil {
		return err
	}
	if len(from) == 0 {
		return fmt.Errorf("%s: no partitions", strings.Join(r.Topic.Names(), ", "))
	}
	for _, o := range from {
		r.state.Marks = append(r.state.Marks, batching.Mark{Stream: o.Stream, Partition: o.Partition, Next: o.Next})
	}
	return nil
}

// steps trains from where the trainer stands to the last step.
func (r *run) steps(ctx context.Context, store *checkpoint.Store) (err error) {
	if r.log, err = openLog(r.Dir, r.trainer.Done); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.log.Close()) }()
	src, err := r.open(ctx)
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
	if r.trainer.Done == 0 {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	if r.streams() && r.saved == "" {
		// From here on the broker is told of what was trained: a run that dies before its
		// next checkpoint must not begin there.
		if _, err := r.save(ctx, store, &Progress{Stats: train.Stats{Skipped: "none was taken"}, HeldOut: r.state.HeldOut}); err != nil {
			return err
		}
	}
	waiting, cancel := r.untilStopped(ctx)
	defer cancel()
	saved := r.trainer.Done // the step of the last checkpoint
	last := r.Config.Optimizer.Steps
	for r.trainer.Done < last {
		start := time.Now()
		batch, err := src.Next(waiting, r.trainer.Done)
		if ended := r.ended(ctx, err); ended != nil && r.streams() {
			if saved < r.trainer.Done {
				err = r.flushAndSave(ctx, store, recorder, &Progress{Stats: train.Stats{Skipped: "none was taken"}})
			} else {
				err = nil
			}
			return cmp.Or(err, error(ended))
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the recording ends before step %d", r.trainer.Done)
		}
		if err != nil {
			return err
		}
		p, err := r.step(ctx, batch, recorder, start)
		if err != nil {
			return err
		}
		stop := r.stopped() && r.trainer.Done < last
		if p.HeldOut, err = r.evaluate(ctx); err != nil {
			return err
		}
		if err := r.decide(src, p.HeldOut); err != nil {
			return err
		}
		if err := r.log.write(&p); err != nil {
			return err
		}
		if stop || r.saves() {
			if err := r.flushAndSave(ctx, store, recorder, &p); err != nil {
				return err
			}
			saved = r.trainer.Done
		}
		if r.Report != nil {
			r.Report(p)
		}
		if stop {
			return &StoppedError{Step: r.trainer.Done, Steps: last}
		}
	}
	return nil
}

// flushAndSave writes a checkpoint, the recording of what led to it first.
func (r *run) flushAndSave(ctx context.Context, store *checkpoint.Store, recorder *batching.Recorder, p *Progress) (err error) {
	if recorder != nil {
		if err := recorder.Flush(); err != nil {
			return err
		}
	}
	p.Saved, err = r.save(ctx, store, p)
	return err
}

// untilStopped returns a context for waiting for documents: of a topic they may not come
// before the run is to stop. The caller cancels it.
func (r *run) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := context.WithCancel(ctx)
	if !r.streams() || r.Stop == nil {
		return waiting, cancel
	}
	var done sync.WaitGroup
	done.Go(func() {
		select {
		case <-r.Stop:
			cancel()
		case <-waiting.Done():
		}
	})
	return waiting, func() { cancel(); done.Wait() }
}

// ended says that a topic gave no batch because the run is to stop or the topic has ended;
// nil for another error, or none.
func (r *run) ended(ctx context.Context, err error) *StoppedError {
	switch {
	case errors.Is(err, io.EOF):
		return &StoppedError{Step: r.trainer.Done, Steps: r.Config.Optimizer.Steps, UsedUp: true}
	case err != nil && ctx.Err() == nil && r.stopped():
		return &StoppedError{Step: r.trainer.Done, Steps: r.Config.Optimizer.Steps}
	}
	return nil
}

// begin measures the model before the first step.
func (r *run) begin(ctx context.Context) (err error) {
	if r.state.HeldOut, err = r.heldOut.losses(ctx, r.trainer); err != nil {
		return err
	}
	if r.Start != nil {
		r.Start(r.state.HeldOut)
	}
	return r.log.begin(r.Config.Curriculum[0].Name, r.state.HeldOut)
}

// decide ends the stage of the step that was taken, if it has had its steps or the loss
// that it watches no longer falls, and lets the source go on.
func (r *run) decide(src source, losses map[string]float64) error {
	c, done := r.Config.Curriculum, r.trainer.Done
	i, into, _ := r.course.At(done - 1)
	into++
	early := false
	if a := c[i].Advance; a.due(into) {
		early = r.state.Plateau.over(losses[a.Order], a)
	}
	planned := r.stageEnds()
	if early || planned {
		r.state.endStage(c[i].Stage, into, early && !planned, losses)
		r.course = r.state.course(c)
		r.trainer.Health.NewStage()
	}
	loader, ok := src.(interface {
		Decide(taken []int, until int) error
	})
	if !ok || done != r.undecided {
		return nil
	}
	r.undecided = undecided(c, r.course, done)
	return loader.Decide(r.course.Taken, r.undecided)
}

// stageEnds says whether the step that was taken is the last of its stage by plan, or the
// last of all.
func (r *run) stageEnds() bool {
	done := r.trainer.Done
	here, _, _ := r.course.At(done - 1)
	next, _, _ := r.course.At(done)
	return here != next || done == r.Config.Optimizer.Steps
}

func (r *run) stopped() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}

// step trains on a batch, which was waited for since start, and releases it.
func (r *run) step(ctx context.Context, batch *batching.TrainingBatch, recorder *batching.Recorder, start time.Time) (p Progress, err error) {
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
	stats, err := r.trainer.StepAt(ctx, batch.Segments(), r.Config.rate(r.course, r.trainer.Done))
	if err != nil {
		return p, err
	}
	r.state.Cursor = batch.After()
	r.state.Tokens += int64(batch.Positions())
	if r.Topic != nil {
		for i := range batch.Segments() {
			if batch.Row(i).Last {
				r.state.Documents++
			}
		}
	}
	if r.stream != nil {
		r.stream.trained(r.state.Cursor)
	}
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
	if stage, _, _ := r.course.At(r.trainer.Done); stage != batch.Stage() {
		return &MismatchError{"recording " + r.ReplayOf, fmt.Sprintf("has step %d in stage %d of the curriculum, this run in stage %d: stages ended at other steps; "+
			"replay it on the CPU level and with the held-out documents of that run", r.trainer.Done, batch.Stage()+1, stage+1)}
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

// saves says whether a checkpoint is due.
func (r *run) saves() bool {
	return r.trainer.Done%r.Config.SaveEvery == 0 || r.trainer.Done == r.Config.Optimizer.Steps
}

// evaluate measures the held-out losses where they are due: at the end of a stage, every
// EvalEvery steps, where a stage may end early, and where the best checkpoint is chosen.
func (r *run) evaluate(ctx context.Context) (map[string]float64, error) {
	c, done := &r.Config, r.trainer.Done
	i, into, _ := r.course.At(done - 1)
	if r.stageEnds() || c.EvalEvery > 0 && done%c.EvalEvery == 0 || c.Curriculum[i].Advance.due(into+1) || c.KeepBest != "" && r.saves() {
		return r.heldOut.losses(ctx, r.trainer)
	}
	return nil, nil
}

// heldOutLoss begins the names of held-out losses in manifests.
const heldOutLoss = "held_out/"

func (r *run) save(ctx context.Context, store *checkpoint.Store, p *Progress) (string, error) {
	r.state.Health = r.trainer.Health
	cursor, err := json.Marshal(r.state)
	if err != nil {
		return "", err
	}
	losses := map[string]float64{}
	if p.Skipped == "" { // else it may be no number
		losses["train"] = p.Loss
	}
	for name, loss := range p.HeldOut {
		losses[heldOutLoss+name] = loss
	}
	dir, err := store.Save(ctx, &checkpoint.State{
		Manifest: checkpoint.Manifest{
			Step: int64(r.trainer.Done), Seed: r.Config.Seed, Curriculum: r.Config.Curriculum.String(),
			Cursor: cursor, Offsets: offsets(r.state.Cursor), Losses: losses, Trainer: r.settings, MicroBatch: r.Config.Batch, Shards: r.Config.Optimizer.Shards,
			Compute: string(r.Compute), CPULevel: string(r.Kernels.Level()), Tool: r.Tool,
		},
		Config: r.llama, Tokenizer: r.tokenizer, Params: r.params(),
	})
	if err != nil {
		return "", err
	}
	r.saved = dir
	keep := checkpoint.Retention{Last: r.Config.Keep}
	if r.Config.KeepBest != "" {
		keep.Best = heldOutLoss + r.Config.KeepBest
	}
	_, err = store.Prune(keep)
	return dir, err
}
