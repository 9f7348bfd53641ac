package score_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/infilltest"
	"github.com/any-order/a3/pipeline/score"
)

func encode(t testing.TB, tok *infilltest.Tokenizer, raw string) *infill.Task {
	t.Helper()
	doc, err := score.Parse([]byte(raw), score.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	codec, err := infill.NewCodec(tok, 0)
	if err != nil {
		t.Fatal(err)
	}
	task, err := codec.Encode(tok, doc)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func TestSegment(t *testing.T) {
	for _, noEOS := range []bool{false, true} {
		tok := infilltest.New(" b")
		tok.NoEOS = noEOS
		task := encode(t, tok, `{"text":"{{blank}} b"}`) // the marker is text
		s := score.Segment(task)
		bos, _ := tok.BOS()
		eos, _ := tok.EOS()
		want := append([]int32{bos, '{', '{', 'b', 'l', 'a', 'n', 'k', '}', '}', 256}, eos)
		if noEOS {
			want = want[:len(want)-1]
		}
		if !slices.Equal(s.Tokens, want) {
			t.Errorf("tokens %v, want %v", s.Tokens, want)
		}
		for p := range s.Tokens {
			if s.Group[p] != int32(p) || (s.Weight[p] == 0) != (p == 0) {
				t.Errorf("position %d: group %d, weight %v", p, s.Group[p], s.Weight[p])
			}
		}
	}
}

func TestOutput(t *testing.T) {
	task := encode(t, infilltest.New(), `{"n":1.0,"logprob":7,"text":"abc","id":5,"blanks":[]}`)
	logProb := []float64{99, -math.Ln2, -math.Ln2, -math.Ln2, -3 * math.Ln2} // BOS does not count
	for perToken, more := range map[bool]string{
		false: ``,
		true:  `"token_ids":[97,98,99,257],"token_logprobs":[-0.693147,-0.693147,-0.693147,-2.079442],`,
	} {
		opts := score.DefaultOptions()
		opts.PerToken = perToken
		got, err := score.Output(task, logProb, opts)
		if err != nil {
			t.Fatal(err)
		}
		// Six bits over four tokens and three bytes.
		want := `{"id":5,"tokens":4,"logprob":-4.158883,"logprob_per_token":-1.039721,"perplexity":2.828427,"bits_per_byte":2.000000,` +
			more + `"n":1.0,"blanks":[]}`
		if string(got) != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestOutputRefusesForeignResults(t *testing.T) {
	task := encode(t, infilltest.New(), `{"id":"a","text":"b"}`)
	for name, logProb := range map[string][]float64{
		"short":    {0, -1},
		"NaN":      {0, math.NaN(), 0},
		"infinite": {0, math.Inf(-1), 0},
		"overflow": {0, -1e300, 0},
	} {
		if line, err := score.Output(task, logProb, score.DefaultOptions()); err == nil {
			t.Errorf("%s: %s", name, line)
		} else if !strings.HasPrefix(err.Error(), `score of record "a": `) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEmptyTextIsRefused(t *testing.T) {
	_, err := score.Parse([]byte(`{"id":"a","text":""}`), score.DefaultOptions())
	if want := `record "a": field text: empty: there is nothing to score`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzScore(f *testing.F) {
	f.Add([]byte(`{"id":"a","text":"b c","meta":null}`), false)
	f.Add([]byte(`{"text_b64":"/w=="}`), false)
	f.Add([]byte("plain \xff"), true)
	f.Fuzz(func(t *testing.T, raw []byte, plain bool) {
		opts := score.DefaultOptions()
		opts.Plain, opts.PerToken = plain, true
		doc, err := score.Parse(raw, opts)
		if err != nil {
			return
		}
		tok := infilltest.New(" c")
		codec, err := infill.NewCodec(tok, 0)
		if err != nil {
			t.Fatal(err)
		}
		task, err := codec.Encode(tok, doc)
		if err != nil {
			t.Fatal(err)
		}
		s := score.Segment(task)
		logProb := make([]float64, s.Len())
		for p := range logProb {
			logProb[p] = -float64(p % 3)
		}
		line, err := score.Output(task, logProb, opts)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Tokens int
			IDs    []int32   `json:"token_ids"`
			Probs  []float64 `json:"token_logprobs"`
		}
		if err := json.Unmarshal(line, &out); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if out.Tokens != s.Len()-1 || !slices.Equal(out.IDs, s.Tokens[1:]) || !slices.Equal(out.Probs, logProb[1:]) {
			t.Fatalf("%s for tokens %v", line, s.Tokens)
		}
		if text := tok.AppendText(nil, out.IDs); string(text) != string(doc.Text) {
			t.Fatalf("tokens spell %q, the text is %q", text, doc.Text)
		}
	})
}
