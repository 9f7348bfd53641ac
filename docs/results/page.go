package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"gonum.org/v1/gonum/stat"
)

// page is what a PAGE.yaml says.
type page struct {
	Title    string    `yaml:"title"`
	Text     string    `yaml:"text"` // Markdown below the title
	Sections []section `yaml:"sections"`
}

// section compares some arms of an experiment.
type section struct {
	Title  string   `yaml:"title"`
	Text   string   `yaml:"text"` // Markdown above the table
	Arms   []string `yaml:"arms"` // names of runs: NAME-SEED is a directory
	Claims []claim  `yaml:"claims"`
	Stages bool     `yaml:"stages"` // also show the losses after each stage, of the first arm
}

// claim says that the loss of an order is lower in one arm than in another.
type claim struct {
	Lower string `yaml:"lower"`
	Than  string `yaml:"than"`
	Order string `yaml:"order"`
	Text  string `yaml:"text"` // what is claimed, a sentence
}

// arm is the runs of one kind, one a seed.
type arm struct {
	name string
	runs []*run
}

func readPage(path string) (*page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p page
	if err := yaml.UnmarshalWithOptions(text, &p, yaml.Strict()); err != nil {
		return nil, err
	}
	if p.Title == "" || len(p.Sections) == 0 {
		return nil, errors.New("want a title and at least one section")
	}
	for _, s := range p.Sections {
		if s.Title == "" || len(s.Arms) == 0 {
			return nil, fmt.Errorf("section %q: want a title and at least one arm", s.Title)
		}
		for _, c := range s.Claims {
			if !slices.Contains(s.Arms, c.Lower) || !slices.Contains(s.Arms, c.Than) || !slices.Contains(orders, c.Order) {
				return nil, fmt.Errorf("section %q: a claim compares two of its arms by one of %s", s.Title, strings.Join(orders, ", "))
			}
		}
	}
	return &p, nil
}

// orders are the held-out losses, in the order of columns and plots.
var orders = []string{"ltr", "next", "blocks:4", "permuted:4", "spans"}

func (s *section) read(dir string) ([]arm, error) {
	var arms []arm
	for _, name := range s.Arms {
		runs, err := readRuns(dir, name)
		if err != nil {
			return nil, err
		}
		arms = append(arms, arm{name, runs})
	}
	return arms, nil
}

// at returns the loss of an order of each run at one of its points.
func (a *arm) at(order string, pick func(*run) point) []float64 {
	out := make([]float64, len(a.runs))
	for i, r := range a.runs {
		loss, ok := pick(r).losses[order]
		if !ok {
			loss = math.NaN()
		}
		out[i] = loss
	}
	return out
}

func first(r *run) point { return r.points[0] }
func last(r *run) point  { return r.points[len(r.points)-1] }

// spread shows a mean with its standard deviation, if there is one.
func spread(values []float64) string {
	mean, sd := stat.MeanStdDev(values, nil)
	switch {
	case math.IsNaN(mean):
		return "-"
	case len(values) < 2:
		return fmt.Sprintf("%.3f", mean)
	}
	return fmt.Sprintf("%.3f ± %.3f", mean, sd)
}

// write adds the tables and the verdicts of a section.
func (s *section) write(b *strings.Builder, arms []arm) {
	fmt.Fprintf(b, "\nHeld-out loss in nats a token, mean ± standard deviation over seeds, before and after;\nplain AR is the perplexity of the content stream, the exported Llama's (`next`).\n\n")
	fmt.Fprintf(b, "| run | seeds | tokens | %s | plain AR |\n| --- | --- | --- |%s --- |\n", strings.Join(orders, " | "), strings.Repeat(" --- |", len(orders)))
	for i := range arms {
		a := &arms[i]
		if i == 0 || !equalStart(a, &arms[0]) {
			a.row(b, a.name+", before", first)
		}
		a.row(b, a.name, last)
	}
	if s.Stages {
		arms[0].stages(b)
	}
	for _, c := range s.Claims {
		fmt.Fprintf(b, "\n%s\n", c.verdict(arms))
	}
}

func (a *arm) row(b *strings.Builder, name string, pick func(*run) point) {
	fmt.Fprintf(b, "| %s | %d | %s |", name, len(a.runs), millions(pick(a.runs[0]).tokens))
	for _, order := range orders {
		fmt.Fprintf(b, " %s |", spread(a.at(order, pick)))
	}
	perplexity := a.at("next", pick)
	for i, loss := range perplexity {
		perplexity[i] = math.Exp(loss)
	}
	fmt.Fprintf(b, " %s |\n", spread(perplexity))
}

func millions(tokens int64) string { return fmt.Sprintf("%.2f M", float64(tokens)/1e6) }

// equalStart says whether two arms begin with the same model, so that one row says it.
func equalStart(a, b *arm) bool {
	for _, order := range orders {
		if a.at(order, first)[0] != b.at(order, first)[0] {
			return false
		}
	}
	return true
}

// stages adds the losses after each stage.
func (a *arm) stages(b *strings.Builder) {
	fmt.Fprintf(b, "\nAfter each stage of %s:\n\n| stage | tokens | %s |\n| --- | --- |%s\n", a.name, strings.Join(orders, " | "), strings.Repeat(" --- |", len(orders)))
	var tokens int64
	for i, s := range a.runs[0].about.Stages {
		tokens += s.Tokens
		fmt.Fprintf(b, "| %s | %s |", s.Name, millions(tokens))
		for _, order := range orders {
			fmt.Fprintf(b, " %s |", spread(a.at(order, func(r *run) point {
				if i >= len(r.about.Stages) {
					return point{}
				}
				return point{losses: r.about.Stages[i].HeldOut}
			})))
		}
		fmt.Fprintln(b)
	}
}

// verdict says whether a claim holds: whether the difference is larger than twice its
// standard error. With fewer than two seeds nothing is decided.
func (c *claim) verdict(arms []arm) string {
	var lower, than []float64
	for i := range arms {
		switch arms[i].name {
		case c.Lower:
			lower = arms[i].at(c.Order, last)
		case c.Than:
			than = arms[i].at(c.Order, last)
		}
	}
	gain := stat.Mean(than, nil) - stat.Mean(lower, nil)
	verdict := "Not decided: one seed alone"
	margin := math.NaN()
	if len(lower) > 1 && len(than) > 1 {
		margin = 2 * math.Sqrt(stat.Variance(lower, nil)/float64(len(lower))+stat.Variance(than, nil)/float64(len(than)))
		switch {
		case gain > margin:
			verdict = "Holds"
		case gain < -margin:
			verdict = "Does **not** hold at this scale"
		default:
			verdict = "Not decided: the difference is within twice its standard error"
		}
	}
	text := fmt.Sprintf("- %s %s: on %s, `%s` has %s, `%s` %s", c.Text, verdict, c.Order, c.Lower, spread(lower), c.Than, spread(than))
	if !math.IsNaN(margin) {
		text += fmt.Sprintf(" (difference %.3f, twice its standard error %.3f)", gain, margin)
	}
	return text + "."
}
