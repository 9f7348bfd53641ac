package train

import (
	"math"
	"strings"
	"testing"
)

func TestOptionsValidate(t *testing.T) {
	good := DefaultOptions(100)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	one := DefaultOptions(1)
	if err := one.Validate(); err != nil {
		t.Errorf("a single step: %v", err)
	}
	nan := math.NaN()
	for _, c := range []struct {
		name  string
		spoil func(o *Options)
	}{
		{"steps", func(o *Options) { o.Steps = 0 }},
		{"lr", func(o *Options) { o.LR = 0 }},
		{"lr", func(o *Options) { o.LR = nan }},
		{"lr", func(o *Options) { o.LR = math.Inf(1) }},
		{"min_lr", func(o *Options) { o.MinLR = 2 * o.LR }},
		{"min_lr", func(o *Options) { o.MinLR = nan }},
		{"warmup", func(o *Options) { o.Warmup = -1 }},
		{"warmup", func(o *Options) { o.Warmup = 101 }},
		{"schedule", func(o *Options) { o.Schedule = "" }},
		{"beta1", func(o *Options) { o.Beta1 = 1 }},
		{"beta2", func(o *Options) { o.Beta2 = nan }},
		{"eps", func(o *Options) { o.Eps = 0 }},
		{"decay", func(o *Options) { o.Decay = -0.1 }},
		{"clip", func(o *Options) { o.Clip = nan }},
		{"spike", func(o *Options) { o.Spike = 1 }},
		{"spike", func(o *Options) { o.Spike = nan }},
		{"skips", func(o *Options) { o.Skips = -1 }},
		{"shards", func(o *Options) { o.Shards = 0 }},
		{"shards", func(o *Options) { o.Shards = 1 << 20 }},
	} {
		o := good
		c.spoil(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: got error %v", c.name, err)
		}
		if trainer, err := New(newTrainer(t, good, 1).Model, o, 1); err == nil || trainer != nil {
			t.Errorf("%s: New took it", c.name)
		}
	}
}
