// Strategies writes the page that holds the decode strategies against each other: how many
// model calls a token each takes, and how good what it fills is.
//
//	go run ./docs/results/strategies PAGE.yaml DOCUMENTS [MODEL]
//
// PAGE.yaml says which strategies are compared and how much is blanked. DOCUMENTS is a JSONL
// file of documents with a "text", plain or gzip; MODEL is the directory of a model, by
// default the embedded one. The page is written beside PAGE.yaml as PAGE.md, with its plots
// in PAGE/.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/docs/results/figure"
	"github.com/any-order/a3/pipeline/models"
)

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go run ./docs/results/strategies PAGE.yaml DOCUMENTS [MODEL]")
		os.Exit(2)
	}
	model := ""
	if len(os.Args) == 4 {
		model = os.Args[3]
	}
	if err := write(context.Background(), os.Args[1], os.Args[2], model, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "strategies:", err)
		os.Exit(1)
	}
}

// write makes the page that a file describes.
func write(ctx context.Context, path, documents, dir string, progress io.Writer) error {
	p, err := readPage(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	model, err := models.Load(ctx, dir, kernels.Best(), kernels.Float32)
	if err != nil {
		return err
	}
	texts, err := readDocuments(documents, model, p.Documents)
	if err != nil {
		return fmt.Errorf("%s: %w", documents, err)
	}
	l := &lab{page: p, model: model, outcomes: map[trial]*outcome{}, threads: runtime.NumCPU(), progress: progress}
	for _, share := range p.Shares {
		l.tasks = append(l.tasks, p.task(texts, share, model.Given))
	}
	base := strings.TrimSuffix(path, ".yaml")
	if err := os.MkdirAll(base, 0o777); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n%s", p.Title, paragraph(p.Text), l.setting(filepath.Base(documents)))
	for i, s := range p.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s", s.Title, paragraph(s.Text))
		panels, err := l.compare(ctx, &b, s)
		if err != nil {
			return fmt.Errorf("section %q: %w", s.Title, err)
		}
		plot := fmt.Sprintf("%s/%d.svg", filepath.Base(base), i+1)
		if err := figure.Write(filepath.Join(filepath.Dir(base), plot), panels); err != nil {
			return fmt.Errorf("plot %s: %w", plot, err)
		}
		fmt.Fprintf(&b, "\n![quality over model calls a token](%s)\n", plot)
	}
	if a := p.Agreement; a != nil {
		fmt.Fprintf(&b, "\n## %s\n\n%s", a.Title, paragraph(a.Text))
		if err := l.agree(ctx, &b, a); err != nil {
			return fmt.Errorf("section %q: %w", a.Title, err)
		}
	}
	return os.WriteFile(base+".md", []byte(b.String()), 0o666)
}

// setting is the paragraph that says what was measured.
func (l *lab) setting(documents string) string {
	tokens := 0
	for _, doc := range l.tasks[0].truth {
		tokens += len(doc) - 1
	}
	var blanks []string
	for _, t := range l.tasks {
		blanks = append(blanks, fmt.Sprintf("%d %% blanked: %d tokens in %d spans", t.share, t.blanks, t.spans))
	}
	return fmt.Sprintf("Measured on %d documents of `%s`, %d tokens (%s); model `%s` (%d layers of %d, digest `%.12s`), float32 at CPU level %s; seed %d.\n",
		len(l.tasks[0].truth), documents, tokens, strings.Join(blanks, "; "), filepath.Base(l.model.Name),
		l.model.Config.NumHiddenLayers, l.model.Config.HiddenSize, l.model.Digest, l.model.Model.Kernels().Level(), l.page.Seed)
}

func paragraph(text string) string {
	if text = strings.TrimSpace(text); text != "" {
		text += "\n"
	}
	return text
}
