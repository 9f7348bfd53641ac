package train

import (
	"math"
	"strings"
	"testing"
)

func TestRate(t *testing.T) {
	base := Options{Steps: 110, LR: 1, MinLR: 0.1, Warmup: 10}
	for _, c := range []struct {
		schedule Schedule
		step     int
		want     float64
	}{
		{Cosine, 0, 0.1}, {Cosine, 4, 0.5}, {Cosine, 9, 1}, // the warm-up
		{Cosine, 10, 1}, {Cosine, 60, 0.55}, {Cosine, 110, 0.1}, {Cosine, 1000, 0.1},
		{Cosine, 35, 0.55 + 0.45*math.Sqrt2/2},
		{Linear, 0, 0.1}, {Linear, 10, 1}, {Linear, 35, 0.775}, {Linear, 60, 0.55}, {Linear, 110, 0.1}, {Linear, 1000, 0.1},
		{Constant, 0, 0.1}, {Constant, 9, 1}, {Constant, 60, 1}, {Constant, 1000, 1},
	} {
		o := base
		o.Schedule = c.schedule
		if got := o.Rate(c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s at step %d: %v, want %v", c.schedule, c.step, got, c.want)
		}
	}
	for _, o := range []Options{{Steps: 5, LR: 1, Schedule: Linear}, {Steps: 5, LR: 1, Warmup: 5, Schedule: Cosine}} {
		for step := range 8 {
			if r := o.Rate(step); !(r >= 0 && r <= 1) {
				t.Errorf("%+v at step %d: %v", o, step, r)
			}
		}
	}
}

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
