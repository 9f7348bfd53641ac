package training

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/checkpoint"
)

// source gives the batch for a step: a batching.Loader or a batching.Replay.
type source interface {
	Next(ctx context.Context, step int) (*batching.TrainingBatch, error)
	Close() error
}

func (r *run) open() (source, error) {
	if r.ReplayOf != "" {
		return batching.OpenReplay(r.ReplayOf, nil)
	}
	r.undecided = undecided(r.Config.Curriculum, r.course, r.trainer.Done)
	return batching.NewCorpusLoader(r.training, 0, r.recipe, batching.LoaderOptions{
		From: r.state.Cursor, Taken: r.course.Taken, Until: r.undecided,
	})
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
	if r.trainer.Done == 0 {
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	last := r.Config.Optimizer.Steps
	for r.trainer.Done < last {
		p, err := r.step(ctx, src, recorder)
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
			return &StoppedError{r.trainer.Done, last}
		}
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
	loader, ok := src.(*batching.Loader)
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
	stats, err := r.trainer.StepAt(ctx, batch.Segments(), r.Config.rate(r.course, r.trainer.Done))
	if err != nil {
		return p, err
	}
	r.state.Cursor = batch.After()
	r.state.Tokens += int64(batch.Positions())
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
			Cursor: cursor, Losses: losses, Trainer: r.settings, MicroBatch: r.Config.Batch, Shards: r.Config.Optimizer.Shards,
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
