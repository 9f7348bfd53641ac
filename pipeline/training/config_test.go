package training_test

import (
	"strings"
	"testing"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/pipeline/training"
)

func TestDefaultIsComplete(t *testing.T) {
	c := training.Default()
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Curriculum.String(), order.DefaultCurriculum(c.Optimizer.Steps).String(); got != want {
		t.Errorf("curriculum %s, want %s", got, want)
	}
}

func TestCompleteRefuses(t *testing.T) {
	for want, change := range map[string]func(*training.Config){
		"steps is 0":                          func(c *training.Config) { c.Optimizer.Steps = 0 },
		"lr is -1":                            func(c *training.Config) { c.Optimizer.LR = -1 },
		"held_out is -1":                      func(c *training.Config) { c.HeldOut = -1 },
		"eval_every -2":                       func(c *training.Config) { c.EvalEvery = -2 },
		"save_every is 0":                     func(c *training.Config) { c.SaveEvery = 0 },
		"keep is 0":                           func(c *training.Config) { c.Keep = 0 },
		"hidden 192 is not a multiple":        func(c *training.Config) { c.Model.Heads = 5 },
		"is not a multiple of heads 0":        func(c *training.Config) { c.Model.Heads = 0 },
		"heads 6 is not a multiple":           func(c *training.Config) { c.Model.KVHeads = 4 },
		"batch is 100 positions":              func(c *training.Config) { c.Batch = 100 },
		"context is 2":                        func(c *training.Config) { c.Model.Context = 2 },
		"residual":                            func(c *training.Config) { c.Model.Residual = "twice" },
		"keep_best is \"best\"":               func(c *training.Config) { c.KeepBest = "best" },
		"vocab":                               func(c *training.Config) { c.Vocab = 0 },
		"freeze: part \"x\" is not one of":    func(c *training.Config) { c.Freeze = []model.Part{"x"} },
		"lora: rank is 0":                     func(c *training.Config) { c.LoRA = &model.LoRA{} },
		"curriculum stage 1 (x): phases is e": func(c *training.Config) { c.Curriculum = training.Stages(order.Curriculum{{Name: "x", Steps: 4}}) },
	} {
		c := training.Default()
		change(&c)
		if err := c.Complete(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
