package training

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/any-order/a3/core/checkpoint"
)

// MismatchError says that what a directory holds does not fit this run. Nothing was
// changed.
type MismatchError struct {
	What   string // the checkpoint or the recording
	Reason string
}

func (e *MismatchError) Error() string { return e.What + " " + e.Reason }

// resume restores the newest good checkpoint, if there is one.
func (r *run) resume(ctx context.Context, store *checkpoint.Store) error {
	c, torn, err := store.Resume(ctx)
	for _, t := range torn {
		r.warn("passed over a damaged checkpoint: " + t.Error())
	}
	if errors.Is(err, checkpoint.ErrNoCheckpoint) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := json.Unmarshal(c.Manifest.Cursor, &r.state); err != nil {
		return fmt.Errorf("checkpoint %s: cursor: %w", c.Dir, err)
	}
	if reason := r.mismatch(c); reason != "" {
		return &MismatchError{"checkpoint " + c.Dir, reason + ", or train into another directory"}
	}
	if err := c.Restore(r.params()); err != nil {
		return err
	}
	r.trainer.Done = int(c.Manifest.Step)
	r.trainer.Health, r.saved = r.state.Health, c.Dir
	r.course = r.state.course(r.Config.Curriculum)
	r.trainer.Model.Pack()
	return nil
}

// mismatch says why the run cannot go on from a checkpoint, and what to do.
func (r *run) mismatch(c *checkpoint.Checkpoint) string {
	m := c.Manifest
	level := string(r.Kernels.Level())
	changed := differences(m.Trainer, r.settings)
	switch {
	case len(changed) > 0:
		return "was trained with other settings: " + list(changed) + "; resume with those"
	case !bytes.Equal(c.Tokenizer, r.tokenizer):
		return "has another tokenizer; leave --tokenizer out to resume with its own"
	case r.Topic != nil && r.ReplayOf == "" && !slices.Equal(r.state.streams(), slices.Sorted(slices.Values(r.Topic.Names()))):
		return fmt.Sprintf("was trained on %s, not on %s; resume with what it was trained on",
			orNone(strings.Join(r.state.streams(), ", ")), strings.Join(r.Topic.Names(), ", "))
	case r.Topic != nil && r.state.Held != r.held.Digest():
		return fmt.Sprintf("was measured on other held-out documents (digest %016x, now %016x); resume with the same ones", r.state.Held, r.held.Digest())
	case r.Topic == nil && r.ReplayOf == "" && r.state.Corpus != r.training.Digest():
		return fmt.Sprintf("was trained on other documents (digest %016x, now %016x); resume with the same ones, in any order", r.state.Corpus, r.training.Digest())
	case m.Compute != string(r.Compute) && !r.AnyLevel:
		return fmt.Sprintf("was trained in %s, this run computes in %s, and equal bits need equal types; pin it with --compute %[1]s, give up equal bits with --any-cpu", m.Compute, r.Compute)
	case m.CPULevel != level && !r.AnyLevel:
		return fmt.Sprintf("was trained on CPU level %s, this run uses %s, and equal bits need equal levels; pin it with --cpu %[1]s, give up equal bits with --any-cpu", m.CPULevel, level)
	}
	return ""
}

// harmless are the settings that change no weight that is kept: a run may be resumed with
// others.
var harmless = []string{"eval_every", "save_every", "keep", "keep_best", "optimizer.recompute", "optimizer.skips"}

// differences returns the settings that differ in two JSON objects, by their names in
// configurations: "optimizer.lr was 0.002, is 0.001".
func differences(then, now []byte) []string {
	was, is := flatten(then), flatten(now)
	names := maps.Clone(was)
	maps.Copy(names, is)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] && !slices.Contains(harmless, name) {
			out = append(out, fmt.Sprintf("%s was %s, is %s", name, orNone(was[name]), orNone(is[name])))
		}
	}
	return out
}

func orNone(value string) string {
	if value == "" {
		return "not there"
	}
	return value
}

// flatten returns the leaves of a JSON object by their paths, as JSON. What is no JSON
// object is one leaf without a name.
func flatten(text []byte) map[string]string {
	leaves := map[string]string{}
	var walk func(path string, value json.RawMessage)
	walk = func(path string, value json.RawMessage) {
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch {
		case json.Unmarshal(value, &object) == nil && object != nil:
			for name, v := range object {
				walk(strings.TrimPrefix(path+"."+name, "."), v)
			}
		case json.Unmarshal(value, &array) == nil && array != nil:
			for i, v := range array {
				walk(fmt.Sprintf("%s[%d]", path, i), v)
			}
		default:
			leaves[path] = string(bytes.TrimSpace(value))
		}
	}
	walk("", text)
	return leaves
}

// list joins the first few of many.
func list(texts []string) string {
	const most = 4
	if more := len(texts) - most; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(texts[:most], ", "), more)
	}
	return strings.Join(texts, ", ")
}
