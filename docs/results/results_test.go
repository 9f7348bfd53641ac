package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
)

// writeRun makes the directory of a run that went from one loss to another in all orders.
func writeRun(t *testing.T, dir, name string, seed uint64, from, to float64) {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("%s-%d", name, seed))
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	losses := func(loss float64) map[string]float64 {
		m := map[string]float64{}
		for _, order := range orders {
			m[order] = loss
		}
		return m
	}
	text := func(loss float64) string {
		var parts []string
		for _, order := range orders {
			parts = append(parts, fmt.Sprintf("%q:%v", order, loss))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	log := fmt.Sprintf(`{"step":-1,"stage":"first","held_out":%s}
{"step":0,"stage":"first","loss":5,"positions":1000000}
{"step":1,"stage":"first","loss":4,"positions":1000000,"held_out":%s}
{"step":2,"stage":"then","loss":4,"positions":500000,"held_out":%s}
`, text(from), text((from+to)/2), text(to))
	if err := os.WriteFile(filepath.Join(path, "train.jsonl"), []byte(log), 0o666); err != nil {
		t.Fatal(err)
	}
	c := checkpoint.NewLlamaConfig()
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim = 5, 4, 4, 1, 1, 1, 4
	c.BOS = checkpoint.TokenIDs{0}
	err := checkpoint.WriteModel(t.Context(), filepath.Join(path, "model"), checkpoint.NewModel{
		Config: c, Weights: []checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int{1}, F32: []float32{1}}},
		History: []checkpoint.TrainingRun{{Seed: seed, Steps: 3, HeldOut: losses(from), Stages: []checkpoint.TrainedStage{
			{Name: "first", Phases: "ltr", Steps: 2, Tokens: 2000000, HeldOut: losses((from + to) / 2)},
			{Name: "then", Phases: "spans", Steps: 1, Tokens: 500000, HeldOut: losses(to)},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

const twoArms = `
title: Two ways
text: What was done.
sections:
- title: Slow against fast
  arms: [slow, fast]
  stages: true
  claims:
  - {lower: slow, than: fast, order: spans, text: "Slow is better:"}
  - {lower: fast, than: slow, order: ltr, text: "Fast is better:"}
`

func TestPage(t *testing.T) {
	runs, pages := t.TempDir(), t.TempDir()
	for seed, noise := range map[uint64]float64{1: 0, 2: 0.25} {
		writeRun(t, runs, "slow", seed, 5, 3+noise)
		writeRun(t, runs, "fast", seed, 5, 4+noise)
	}
	if err := os.Mkdir(filepath.Join(runs, "fast-3"), 0o777); err != nil { // begun, not ended
		t.Fatal(err)
	}
	path := filepath.Join(pages, "two.yaml")
	if err := os.WriteFile(path, []byte(twoArms), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := write(path, runs); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(pages, "two.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Two ways\n\nWhat was done.\n\n## Slow against fast\n",
		"| slow, before | 2 | 0.00 M | 5.000 ± 0.000 |",
		"| slow | 2 | 2.50 M | 3.125 ± 0.177 |",
		"| fast | 2 | 2.50 M | 4.125 ± 0.177 |",
		" " + spread([]float64{math.Exp(3), math.Exp(3.25)}, 1) + " |\n",
		"| first | 2.00 M | 4.062 ± 0.088 |",
		"- Slow is better: Holds: on spans, `slow` has 3.125 ± 0.177, `fast` 4.125 ± 0.177; difference 1.000 ± 0.000 (95 %), 2 seeds.",
		"- Fast is better: Does **not** hold at this scale: on ltr,",
		"![held-out losses over tokens](two/1-slow-against-fast.svg)",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "fast, before") {
		t.Error("the common start is shown twice")
	}
	plot, err := os.ReadFile(filepath.Join(pages, "two", "1-slow-against-fast.svg"))
	if err != nil || !strings.Contains(string(plot), "<svg") || strings.Count(string(plot), "permuted:4") == 0 {
		t.Errorf("plot of %d bytes, %v", len(plot), err)
	}
	if err := write(path, runs); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(pages, "two", "1-slow-against-fast.svg")); err != nil || string(again) != string(plot) {
		t.Errorf("the plot differs when it is made again: %v", err)
	}
}

func TestVerdict(t *testing.T) {
	arms := func(lower, than []float64) []arm {
		make := func(name string, losses []float64) arm {
			a := arm{name: name}
			for i, loss := range losses {
				a.runs = append(a.runs, &run{seed: uint64(i), points: []point{{losses: map[string]float64{"ltr": loss}}}})
			}
			return a
		}
		return []arm{make("a", lower), make("b", than)}
	}
	c := claim{Lower: "a", Than: "b", Order: "ltr", Text: "A is lower:"}
	for want, a := range map[string][]arm{
		"Holds:":               arms([]float64{3, 3.1, 3}, []float64{4, 4.2, 4.1}),
		"Does **not** hold":    arms([]float64{4, 4.1}, []float64{3, 3.11}),
		"may be chance":        arms([]float64{3, 4}, []float64{3.1, 3.9}),
		"fewer than two seeds": arms([]float64{3}, []float64{4, 4.1}),
	} {
		if got := c.verdict(a); !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestPageErrors(t *testing.T) {
	runs := t.TempDir()
	writeRun(t, runs, "slow", 1, 5, 3)
	path := filepath.Join(t.TempDir(), "page.yaml")
	for text, want := range map[string]string{
		"title: x": "at least one section",
		"titel: x": "unknown field",
		strings.Replace(twoArms, "order: spans", "order: x", 1): "a claim compares",
		twoArms: "no run fast-SEED has ended",
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := write(path, runs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(`{"step":-1,"held_out":{"ltr":5}}` + "\n" + `{"positions":3,"held_out":{"ltr":4}}` + "\n")
	f.Add(`{"positions":9223372036854775807}` + "\n" + `{"positions":1}`)
	f.Add("{\n")
	f.Fuzz(func(t *testing.T, text string) {
		points, err := readLog(strings.NewReader(text))
		if err != nil {
			return
		}
		for i := range points[1:] {
			if points[i+1].tokens < points[i].tokens {
				t.Fatal("tokens go back")
			}
		}
	})
}
