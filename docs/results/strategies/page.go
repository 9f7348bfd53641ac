package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

// page is what a PAGE.yaml says.
type page struct {
	Title     string     `yaml:"title"`
	Text      string     `yaml:"text"`       // Markdown below the title
	Documents int        `yaml:"documents"`  // at most
	Shares    []int      `yaml:"shares"`     // percent of the tokens that are blanked
	MeanBlank int        `yaml:"mean_blank"` // mean length of a blanked span, before the last is cut
	Seed      uint64     `yaml:"seed"`
	Sections  []section  `yaml:"sections"`
	Agreement *agreement `yaml:"agreement"`
}

// section compares strategies: a table and a row of plots.
type section struct {
	Title       string  `yaml:"title"`
	Text        string  `yaml:"text"`        // Markdown above the tables
	Temperature float64 `yaml:"temperature"` // 0 = greedy
	Curves      []curve `yaml:"curves"`      // the first strategy of the first is what others are held against
}

// curve is strategies that differ in a parameter: a line of the plot.
type curve struct {
	Name       string   `yaml:"name"`
	Strategies []string `yaml:"strategies"`
}

// agreement asks how often strategies fill, greedily, what another one does.
type agreement struct {
	Title string `yaml:"title"`
	Text  string `yaml:"text"`
	Pairs []pair `yaml:"pairs"`
}

type pair struct {
	Strategy string `yaml:"strategy"`
	As       string `yaml:"as"`
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
	switch {
	case p.Title == "" || len(p.Sections) == 0 || len(p.Shares) == 0:
		return nil, errors.New("want a title, shares and at least one section")
	case p.Documents < 1 || p.MeanBlank < 1:
		return nil, fmt.Errorf("documents is %d, mean_blank %d: want at least 1", p.Documents, p.MeanBlank)
	}
	for _, share := range p.Shares {
		if share < 1 || share > 100 {
			return nil, fmt.Errorf("share %d: want 1 to 100 percent", share)
		}
	}
	for _, s := range p.Sections {
		if s.Title == "" || len(s.Curves) == 0 {
			return nil, fmt.Errorf("section %q: want a title and at least one curve", s.Title)
		}
		for _, c := range s.Curves {
			if c.Name == "" || len(c.Strategies) == 0 {
				return nil, fmt.Errorf("section %q: curve %q: want a name and at least one strategy", s.Title, c.Name)
			}
		}
	}
	return &p, nil
}
