package train

import (
	"math"
	"testing"
)

func TestRate(t *testing.T) {
	base := Options{Steps: 110, Rates: Rates{LR: 1, MinLR: 0.1, Warmup: 10}}
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
	for _, o := range []Options{
		{Steps: 5, Rates: Rates{LR: 1, Schedule: Linear}},
		{Steps: 5, Rates: Rates{LR: 1, Warmup: 5, Schedule: Cosine}},
	} {
		for step := range 8 {
			if r := o.Rate(step); !(r >= 0 && r <= 1) {
				t.Errorf("%+v at step %d: %v", o, step, r)
			}
		}
	}
}
