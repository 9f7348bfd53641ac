package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
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

// read returns the arms of a section. Runs that were read before are in known, by name.
func (s *section) read(dir string, known map[string][]*run) ([]arm, error) {
	var arms []arm
	for _, name := range s.Arms {
		if known[name] == nil {
			runs, err := readRuns(dir, name)
			if err != nil {
				return nil, err
			}
			known[name] = runs
		}
		arms = append(arms, arm{name, known[name]})
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
func spread(values []float64, digits int) string {
	mean, sd := stat.MeanStdDev(values, nil)
	switch {
	case math.IsNaN(mean):
		return "-"
	case len(values) < 2:
		return fmt.Sprintf("%.*f", digits, mean)
	}
	return fmt.Sprintf("%.*f ± %.*f", digits, mean, digits, sd)
}

// write adds the tables and the verdicts of a section.
func (s *section) write(b *strings.Builder, arms []arm) {
	fmt.Fprintf(b, "\n| run | seeds | tokens | %s | plain AR |\n| --- | --- | --- |%s --- |\n", strings.Join(orders, " | "), strings.Repeat(" --- |", len(orders)))
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
	if len(s.Claims) > 0 {
		fmt.Fprintln(b)
	}
	for _, c := range s.Claims {
		fmt.Fprintln(b, c.verdict(arms))
	}
}

func (a *arm) row(b *strings.Builder, name string, pick func(*run) point) {
	fmt.Fprintf(b, "| %s | %d | %s |", name, len(a.runs), millions(pick(a.runs[0]).tokens))
	for _, order := range orders {
		fmt.Fprintf(b, " %s |", spread(a.at(order, pick), 3))
	}
	perplexity := a.at("next", pick)
	for i, loss := range perplexity {
		perplexity[i] = math.Exp(loss)
	}
	fmt.Fprintf(b, " %s |\n", spread(perplexity, 1))
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
			}), 3))
		}
		fmt.Fprintln(b)
	}
}

// verdict says whether a claim holds: whether the mean difference, seed by seed, is beyond
// its interval of 95 % confidence by Student's t. With one seed nothing is decided.
func (c *claim) verdict(arms []arm) string {
	lower, than := lastBySeed(arms, c.Lower, c.Order), lastBySeed(arms, c.Than, c.Order)
	var a, b, gain []float64
	for _, seed := range slices.Sorted(maps.Keys(lower)) {
		if _, both := than[seed]; both {
			a, b, gain = append(a, lower[seed]), append(b, than[seed]), append(gain, than[seed]-lower[seed])
		}
	}
	if len(gain) < 2 {
		return fmt.Sprintf("- %s Not decided: fewer than two seeds have both runs.", c.Text)
	}
	mean, sd := stat.MeanStdDev(gain, nil)
	t := distuv.StudentsT{Sigma: 1, Nu: float64(len(gain) - 1)}
	margin := t.Quantile(0.975) * sd / math.Sqrt(float64(len(gain)))
	verdict := "Not decided: the difference may be chance"
	switch {
	case mean > margin:
		verdict = "Holds"
	case mean < -margin:
		verdict = "Does **not** hold at this scale"
	}
	return fmt.Sprintf("- %s %s: on %s, `%s` has %s, `%s` %s; difference %.3f ± %.3f (95 %%), %d seeds.",
		c.Text, verdict, c.Order, c.Lower, spread(a, 3), c.Than, spread(b, 3), mean, margin, len(gain))
}

// lastBySeed returns the final loss of an order in the runs of an arm.
func lastBySeed(arms []arm, name, order string) map[uint64]float64 {
	losses := map[uint64]float64{}
	for i := range arms {
		if arms[i].name != name {
			continue
		}
		for j, loss := range arms[i].at(order, last) {
			losses[arms[i].runs[j].seed] = loss
		}
	}
	return losses
}
