// Results writes a page of results from the directories of training runs: tables of
// held-out losses, means and standard deviations over seeds, and plots of the losses over
// the tokens trained.
//
//	go run ./docs/results PAGE.yaml RUNS
//
// PAGE.yaml says which runs of the directory RUNS are compared, and what is said of them;
// the page is written beside it as PAGE.md, with its plots in PAGE/.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./docs/results PAGE.yaml RUNS")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

// write makes the page that a file describes from the runs in a directory.
func write(path, runs string) error {
	p, err := readPage(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	base := strings.TrimSuffix(path, ".yaml")
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s", p.Title, paragraph(p.Text))
	if err := os.MkdirAll(base, 0o777); err != nil {
		return err
	}
	known := map[string][]*run{}
	for i, s := range p.Sections {
		arms, err := s.read(runs, known)
		if err != nil {
			return fmt.Errorf("%s: section %q: %w", path, s.Title, err)
		}
		name := fmt.Sprintf("%d-%s.svg", i+1, slug(s.Title))
		if err := writePlot(filepath.Join(base, name), arms); err != nil {
			return fmt.Errorf("plot %s: %w", name, err)
		}
		fmt.Fprintf(&b, "\n## %s\n", s.Title)
		if s.Text != "" {
			fmt.Fprintf(&b, "\n%s", paragraph(s.Text))
		}
		s.write(&b, arms)
		fmt.Fprintf(&b, "\n![held-out losses over tokens](%s/%s)\n", filepath.Base(base), name)
	}
	return os.WriteFile(base+".md", []byte(b.String()), 0o666)
}

func paragraph(text string) string {
	if text = strings.TrimSpace(text); text != "" {
		text += "\n"
	}
	return text
}

// slug is a title as part of a file's name.
func slug(title string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, title), "-")
}
