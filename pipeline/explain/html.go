package explain

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"unicode"

	"github.com/any-order/a3/pipeline/infill/record"
)

// The page is a head with style and script, a section for each document, and an end. A
// section is complete without the script: the filled text, and a table of all that
// happened. The script reads the table and replays it.
//
// Text of a document comes into the page through html/template alone, and the script
// moves it as text alone. Should that ever fail, the page's policy lets no script run but
// the one whose digest it names, and nothing be loaded.

//go:embed page.css
var style string

//go:embed page.js
var script string

//go:embed document.html.tmpl
var section string

type page struct{ section *template.Template }

func newPage() *page { return &page{template.Must(template.New("document").Parse(section))} }

func (*page) head() []byte {
	return fmt.Appendf(nil, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>How the blanks were filled</title>
<style>%s</style>
</head>
<body>
<header>
<h1>How the blanks were filled</h1>
<p>The deeper the colour of a token, the surer the model was when it committed it. Tokens of one group were predicted together.
Keys, in a document: ← → a step, Home and End, space plays.</p>
<noscript><p>The tables below hold all that happened; scripts would replay it.</p></noscript>
</header>
<main>
`, digest(style), digest(script), style)
}

func (*page) tail() []byte {
	return fmt.Appendf(nil, "</main>\n<script>%s</script>\n</body>\n</html>\n", script)
}

// digest names an inline style or script in the page's policy.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// What the template shows.
type (
	sectionView struct {
		Name, Cost string
		Parts      []partView
		Rows       []rowView
	}
	partView struct {
		Given  string
		Tokens []tokenView
	}
	tokenView struct{ Place, Text string }
	rowView   struct {
		Step                              int
		Kind, Place, Group, Percent, Note string
		Confidence                        string // for the script
		Text                              string
	}
)

func (p *page) document(d *Document) []byte {
	v := sectionView{Name: shown([]byte(d.name())), Cost: d.cost()}
	blank := 0
	for _, part := range d.Parts {
		view := partView{Given: shown(part.Given)}
		for i, token := range part.Final {
			view.Tokens = append(view.Tokens, tokenView{place(blank, i), shown(token)})
		}
		if part.Final != nil {
			blank++
		}
		v.Parts = append(v.Parts, view)
	}
	for i := range d.Events {
		e := &d.Events[i]
		row := rowView{
			Step: e.Step, Kind: string(e.Kind), Place: place(e.Blank, e.Token), Group: e.group(),
			Percent: e.percent(), Note: e.note(), Text: shown(e.Text),
		}
		if e.Scored() {
			row.Confidence = fmt.Sprintf("%.4f", e.Confidence())
		}
		v.Rows = append(v.Rows, row)
	}
	var out bytes.Buffer
	if err := p.section.Execute(&out, v); err != nil {
		panic(fmt.Sprintf("explain: the template does not fit its view: %v", err))
	}
	return out.Bytes()
}

// place names a token: its blank and its number there.
func place(blank, token int) string { return fmt.Sprintf("%d.%d", blank, token) }

// shown is text as a page can hold it: characters that no page may have show as U+FFFD.
func shown(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || r == '\ufffe' || r == '\uffff' {
			return unicode.ReplacementChar
		}
		return r
	}, record.Display(b))
}
