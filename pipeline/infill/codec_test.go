package infill_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/infilltest"
)

func parse(t testing.TB, in string) *infill.Document {
	t.Helper()
	doc, err := infill.Parse([]byte(in), infill.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// showCanvas writes a canvas as tokens between bars: blanks as _, those that must
// start with a space as ~, special tokens as ^ and $.
func showCanvas(tok *infilltest.Tokenizer, task *infill.Task) string {
	kinds := map[int32]infill.Kind{}
	for _, c := range task.Constraints {
		kinds[c.Position] = c.Kind
	}
	bos, _ := tok.BOS()
	var cells []string
	for p, id := range task.Canvas.Tokens {
		switch {
		case task.Canvas.Blank[p] && kinds[int32(p)] == infill.LeadingSpace:
			cells = append(cells, "~")
		case task.Canvas.Blank[p]:
			cells = append(cells, "_")
		case id == bos:
			cells = append(cells, "^")
		case tok.IsSpecial(id):
			cells = append(cells, "$")
		default:
			cells = append(cells, string(tok.AppendText(nil, []int32{id})))
		}
	}
	return strings.Join(cells, "|")
}

func TestEncode(t *testing.T) {
	tok := infilltest.New("Once", " there", "there", " a", "  ")
	codec := newCodec(t, tok, 0)
	for in, want := range map[string]string{
		"{{blank:2}}":                    "^|_|_|$",
		"Once {{blank:2}} there":         "^|Once|~|_| there|$",
		"Once{{blank:2}}there":           "^|Once|_|_|there|$",
		" {{blank:1}}":                   "^|~|$",
		"Once  {{blank:1}}":              "^|Once| |~|$",
		"Once   {{blank:1}}":             "^|Once|  |~|$",
		"Once\t{{blank:1}}\n{{blank:1}}": "^|Once|\t|_|\n|_|$",
		"{{blank:1}} {{blank:1}}":        "^|_|~|$",
		"{{blank:1}}{{blank:2}} a":       "^|_|_|_| a|$",
		"Once the{{blank:1}}re":          "^|Once| |t|h|e|_|r|e|$", // cut at bytes: no token crosses the edge
		"{{blank:1}} ":                   "^|_| |$",
	} {
		task, err := codec.Encode(tok, parse(t, fmt.Sprintf(`{"text":%q}`, in)))
		if err != nil {
			t.Fatal(err)
		}
		if got := showCanvas(tok, task); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
		if err := task.Canvas.Validate(512); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// The space before a blank belongs to it only if it is given: not if another blank
// replaces it.
func TestReplacedSpaceIsNotFolded(t *testing.T) {
	tok := infilltest.New()
	task, err := newCodec(t, tok, 0).Encode(tok, parse(t, `{"text":"a b","blanks":[{"start":1,"end":2,"tokens":1},{"start":2,"end":3,"tokens":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := showCanvas(tok, task), "^|a|_|_|$"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestBlankAsLongAsWhatItReplaces(t *testing.T) {
	tok := infilltest.New(" there", "the", "re")
	codec := newCodec(t, tok, 0)
	for in, want := range map[string]string{
		"a there": "^|a|~|$",     // " there"
		"a(there": "^|a|(|_|_|$", // "the", "re"
		"there":   "^|_|_|$",     // at the beginning
	} {
		doc := parse(t, fmt.Sprintf(`{"text":%q,"blanks":[{"start":%d,"end":%d}]}`, in, len(in)-5, len(in)))
		doc.Blanks[0].Tokens = 0
		task, err := codec.Encode(tok, doc)
		if err != nil {
			t.Fatal(err)
		}
		if got := showCanvas(tok, task); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestBeginAndEnd(t *testing.T) {
	for _, c := range []struct {
		noBOS, noEOS bool
		want         string
	}{
		{false, false, "^|a|_|$"},
		{true, false, "$|a|_|$"}, // EOS begins the document too
		{false, true, "^|a|_"},
	} {
		tok := infilltest.New()
		tok.NoBOS, tok.NoEOS = c.noBOS, c.noEOS
		task, err := newCodec(t, tok, 0).Encode(tok, parse(t, `{"text":"a{{blank:1}}"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := showCanvas(tok, task); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
	tok := infilltest.New()
	tok.NoBOS, tok.NoEOS = true, true
	if _, err := infill.NewCodec(tok, 0); err == nil {
		t.Error("a tokenizer with nothing to begin a document passes")
	}
}

func TestContext(t *testing.T) {
	tok := infilltest.New()
	doc := parse(t, `{"id":"a","text":"four{{blank:3}}"}`) // BOS, 4, 3, EOS
	if _, err := newCodec(t, tok, 9).Encode(tok, doc); err != nil {
		t.Errorf("a document that just fits: %v", err)
	}
	_, err := newCodec(t, tok, 8).Encode(tok, doc)
	var long *infill.ContextError
	if !errors.As(err, &long) || *long != (infill.ContextError{ID: "a", Given: 6, Blank: 3, Context: 8, TextBytes: 4}) {
		t.Errorf("got %v (%+v)", err, long)
	}
}

// The whole way of one record, byte for byte.
func TestOutput(t *testing.T) {
	tok := infilltest.New("Once", " upon", " a", " there", "t") // 256 to 260
	codec := newCodec(t, tok, 0)
	doc := parse(t, `{"meta": {"n": 1.0}, "text": "Once xx there é.", "blanks": [{"name": "when", "start": 5, "end": 7, "tokens": 2}, {"start": 17, "end": 17, "tokens": 1, "logprob": 7}], "id": "s1", "stats": null}`)
	task, err := codec.Encode(tok, doc)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := showCanvas(tok, task), "^|Once|~|_| there| |\xc3|\xa9|.|_|$"; got != want {
		t.Fatalf("canvas %s, want %s", got, want)
	}
	got, err := codec.Output(task, &infill.Result{
		Tokens:  append([]int32{261, 256, 257, 258, 259, ' ', 0xc3, 0xa9, '.', 0xff}, 262),
		LogProb: []float64{0, 0, -1.5, -0.25, 0, 0, 0, 0, 0, -2, 0},
		Order:   []int32{-1, -1, 2, 0, -1, -1, -1, -1, -1, 1, -1},
		Steps:   3, ModelCalls: 4, Rows: 12,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"s1","text":"Once upon a there é.` + "\uFFFD" + `","bytes_b64":"T25jZSB1cG9uIGEgdGhlcmUgw6ku/w==",` +
		`"blanks":[{"start":5,"end":11,"text":"upon a","replaced":"xx","tokens":2,"token_ids":[257,258],"logprob":-1.750000,"order":[2,0],"name":"when"},` +
		`{"start":21,"end":22,"text":"` + "\uFFFD" + `","bytes_b64":"/w==","tokens":1,"token_ids":[255],"logprob":-2.000000,"order":[1]}],` +
		`"logprob":-3.750000,"stats":{"steps":3,"model_calls":4,"rows":12,"tokens":3},"meta":{"n": 1.0}}` // a value is as written, the space before it is not part of it
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !json.Valid(got) {
		t.Error("not valid JSON")
	}
}

// Results that do not belong to the task are the engine's fault and must not become
// records.
func TestOutputRefusesForeignResults(t *testing.T) {
	tok := infilltest.New(" there")
	codec := newCodec(t, tok, 0)
	task, err := codec.Encode(tok, parse(t, `{"id":"a","text":"b {{blank:2}}c"}`)) // ^ b ~ _ c $
	if err != nil {
		t.Fatal(err)
	}
	nan := 0.0
	nan /= nan
	for name, spoil := range map[string]func(*infill.Result){
		"short":            func(r *infill.Result) { r.Tokens = r.Tokens[:3] },
		"no order":         func(r *infill.Result) { r.Order = nil },
		"given text":       func(r *infill.Result) { r.Tokens[1] = 'x' },
		"BOS":              func(r *infill.Result) { r.Tokens[0] = 'x' },
		"special":          func(r *infill.Result) { r.Tokens[3], _ = tok.EOS() },
		"outside":          func(r *infill.Result) { r.Tokens[3] = 100000 },
		"negative":         func(r *infill.Result) { r.Tokens[3] = -1 },
		"no leading space": func(r *infill.Result) { r.Tokens[2] = 'x' },
		"not a number":     func(r *infill.Result) { r.LogProb[2] = nan },
		"not committed":    func(r *infill.Result) { r.Order[2] = -1 },
	} {
		res := tok.Fill(task, seq.NewKey(1))
		if _, err := codec.Output(task, res); err != nil {
			t.Fatal(err)
		}
		spoil(res)
		if line, err := codec.Output(task, res); err == nil {
			t.Errorf("%s: %s", name, line)
		} else if !strings.HasPrefix(err.Error(), `result for record "a": `) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
