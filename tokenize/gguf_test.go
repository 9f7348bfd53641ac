package tokenize

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// asGGUF returns the metadata that a converter writes for a tokenizer.json: special
// tokens are of type control, other added ones user-defined.
func asGGUF(tok *Tokenizer, pre string) GGUF {
	g := GGUF{Model: "gpt2", Pre: pre, Tokens: slices.Clone(tok.def.tokens), Types: make([]int32, tok.Vocab())}
	for id := range g.Types {
		if g.Types[id] = ggufNormal; g.Tokens[id] == "" {
			g.Types[id] = ggufUnused
		}
	}
	for _, a := range tok.def.added {
		g.Tokens[a.id] = a.content
		if g.Types[a.id] = ggufUserDefined; a.special {
			g.Types[a.id] = ggufControl
		}
	}
	for _, m := range tok.def.merges {
		g.Merges = append(g.Merges, tok.def.tokens[m.left]+" "+tok.def.tokens[m.right])
	}
	yes, no := true, false
	g.AddBOS, g.AddEOS, g.AddSpacePrefix = &no, &no, &no
	if bos, ok := tok.BOS(); ok {
		g.BOS, g.AddBOS = &bos, &yes
	}
	if eos, ok := tok.EOS(); ok {
		g.EOS = &eos
	}
	return g
}

// A tokenizer.json that was converted to GGUF and back does the same.
func TestFromGGUFGivesTheTokenizerBack(t *testing.T) {
	var texts [][]byte
	for _, text := range readGolden(t).Texts {
		texts = append(texts, []byte(text))
	}
	for pre, name := range map[string]string{
		"gpt-2": "gpt2", "default": "gpt2",
		"llama-bpe": "llama3", "llama3": "llama3", "llama-v3": "llama3",
		"smollm": "smollm2", "starcoder": "smollm2", "refact": "smollm2", "command-r": "smollm2",
	} {
		t.Run(pre, func(t *testing.T) {
			want := loadTestdata(t, name+".json")
			want.def.ignoreMerges = name == "llama3"
			want = reparse(t, want)
			got, err := FromGGUF(asGGUF(want, pre))
			if err != nil {
				t.Fatal(err)
			}
			checkSame(t, got, want, texts...)
			checkSame(t, reparse(t, got), want, texts...)
		})
	}
}

// asScoredGGUF returns the metadata of a SentencePiece vocabulary: tokens that stand
// later have smaller scores.
func asScoredGGUF(tok *Tokenizer) GGUF {
	g := asGGUF(tok, "")
	g.Model, g.Merges = "llama", nil
	g.Scores = make([]float32, len(g.Tokens))
	for id, token := range g.Tokens {
		g.Scores[id] = -float32(id)
		if _, ok := pieceByte(token); ok {
			g.Types[id] = ggufByte
		}
	}
	g.Types[tok.def.unknown] = ggufUnknown
	yes := true
	g.AddSpacePrefix = &yes
	return g
}

// mergeByScore is SentencePiece's way: again and again the two neighbours that spell the
// piece of the greatest score, the leftmost of equal ones.
func mergeByScore(g *GGUF, text string) []int32 {
	id := func(piece string) int32 { return int32(slices.Index(g.Tokens, piece)) }
	var pieces []string
	for _, r := range strings.ReplaceAll(" "+text, " ", marker) {
		pieces = append(pieces, string(r))
	}
	for {
		best := -1
		for i := 0; i+1 < len(pieces); i++ {
			joined := id(pieces[i] + pieces[i+1])
			if joined < 0 || g.Types[joined] != ggufNormal {
				continue
			}
			if best < 0 || g.Scores[joined] > g.Scores[id(pieces[best]+pieces[best+1])] {
				best = i
			}
		}
		if best < 0 {
			break
		}
		pieces[best] += pieces[best+1]
		pieces = slices.Delete(pieces, best+1, best+2)
	}
	var ids []int32
	for _, piece := range pieces {
		if k := id(piece); k >= 0 {
			ids = append(ids, k)
			continue
		}
		for _, b := range []byte(piece) {
			ids = append(ids, id(pieceOf(b)))
		}
	}
	return ids
}

// Rules that are derived from scores do what SentencePiece does with the scores.
func TestFromGGUFMergesByScore(t *testing.T) {
	g := asScoredGGUF(loadTestdata(t, "sentencepiece.json"))
	tok, err := FromGGUF(g)
	if err != nil {
		t.Fatal(err)
	}
	e := tok.NewEncoder()
	for _, text := range readGolden(t).Texts {
		if text == "" {
			continue
		}
		want := mergeByScore(&g, text)
		if got := e.AppendDocument(nil, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	checkSame(t, reparse(t, tok), tok, []byte(" the cat </s> x"))
}

// Pieces of equal scores: first the longer left part, then the longer right one, in characters.
func TestFromGGUFOrderOfEqualScores(t *testing.T) {
	var g GGUF
	for _, token := range []string{"é", "éé", "ééé", "éééé", "a", "aé"} {
		g.Tokens, g.Scores = append(g.Tokens, token), append(g.Scores, 0)
	}
	g.Scores[5] = 1
	merges, err := g.mergesByScore(g.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	want := []merge{{4, 0, 5}, {2, 0, 3}, {1, 1, 3}, {1, 0, 2}, {0, 2, 3}, {0, 1, 2}, {0, 0, 1}}
	if !slices.Equal(merges, want) {
		t.Errorf("merges %v, want %v", merges, want)
	}
}

func TestFromGGUFSpacePrefix(t *testing.T) {
	no := false
	for _, c := range []struct {
		add  *bool
		want string
	}{{nil, " "}, {&no, ""}} {
		g := asScoredGGUF(loadTestdata(t, "sentencepiece.json"))
		g.AddSpacePrefix, g.AddBOS = c.add, nil
		tok, err := FromGGUF(g)
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Prefix([]byte("the")); got != c.want {
			t.Errorf("prefix %q, want %q", got, c.want)
		}
		if bos, ok := tok.BOS(); !ok || bos != tok.def.first {
			t.Error("llama.cpp puts BOS before a text unless it is told not to")
		}
	}
}

func TestFromGGUFDefaults(t *testing.T) {
	want := loadTestdata(t, "llama3.json")
	bos, _ := want.BOS()
	for _, c := range []struct {
		pre   string
		first int32
	}{{"llama-bpe", bos}, {"gpt-2", -1}, {"smollm", -1}} {
		g := asGGUF(want, c.pre)
		g.AddBOS, g.AddEOS, g.Types = nil, nil, nil
		tok, err := FromGGUF(g)
		if err != nil {
			t.Fatal(err)
		}
		if tok.def.first != c.first || tok.def.last != -1 {
			t.Errorf("%s: %d and %d stand around a text, want %d and none", c.pre, tok.def.first, tok.def.last, c.first)
		}
		if !tok.IsSpecial(bos) {
			t.Errorf("%s: without types, BOS is a token of text", c.pre)
		}
	}
}

func TestFromGGUFLeavesUnusedTokensOut(t *testing.T) {
	g := asGGUF(loadTestdata(t, "gpt2.json"), "gpt-2")
	used := len(g.Tokens)
	g.Tokens = append(g.Tokens, "[PAD0]", "<tool>", "[PAD1]", "[PAD1]")
	g.Types = append(g.Types, ggufUnused, ggufUserDefined, ggufUnused, ggufUnused)
	tok, err := FromGGUF(g)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Vocab() != used+2 || tok.Bytes(int32(used)) != nil || !tok.IsSpecial(int32(used)) {
		t.Errorf("vocabulary %d, token %d is %q; want %d and nothing", tok.Vocab(), used, tok.Bytes(int32(used)), used+2)
	}
	tool := int32(used + 1)
	if ids := tok.NewEncoder().AppendWithSpecials(nil, []byte("<tool>")); !slices.Equal(ids, []int32{tool}) {
		t.Errorf("the user-defined token is %v, want %d", ids, tool)
	}
	if ids := tok.NewEncoder().Append(nil, []byte("<tool>")); slices.Contains(ids, tool) {
		t.Error("text became the user-defined token")
	}
	checkSame(t, reparse(t, tok), tok)
}

// Every error names the field.
func TestFromGGUFRefuses(t *testing.T) {
	id := func(n int32) *int32 { return &n }
	for _, c := range []struct {
		name   string
		change func(g *GGUF)
		want   []string
	}{
		{"model", func(g *GGUF) { g.Model = "t5" }, []string{"tokenizer.ggml.model", "t5", "gpt2, llama"}},
		{"no model", func(g *GGUF) { g.Model = "" }, []string{"tokenizer.ggml.model"}},
		{"pre", func(g *GGUF) { g.Pre = "qwen2" }, []string{"tokenizer.ggml.pre", "qwen2", "smollm"}},
		{"no pre", func(g *GGUF) { g.Pre = "" }, []string{"tokenizer.ggml.pre"}},
		{"no tokens", func(g *GGUF) { g.Tokens = nil }, []string{"tokenizer.ggml.tokens", "0 tokens"}},
		{"too many tokens", func(g *GGUF) { g.Tokens = make([]string, MaxVocab+1) }, []string{"tokenizer.ggml.tokens", "1048577"}},
		{"empty token", func(g *GGUF) { g.Tokens[7] = "" }, []string{"tokenizer.ggml.tokens[7]", "empty"}},
		{"invalid token", func(g *GGUF) { g.Tokens[7] = "\xff" }, []string{"tokenizer.ggml.tokens[7]", "UTF-8"}},
		{"token twice", func(g *GGUF) { g.Tokens[300] = g.Tokens[299] }, []string{"tokenizer.ggml.tokens", "token 299 and token 300"}},
		{"no bytes", func(g *GGUF) {
			for id := range g.Tokens {
				g.Tokens[id] = strings.Repeat("x", id+2)
			}
			g.Merges = nil
		}, []string{"tokenizer.ggml", "no byte"}},
		{"types of other tokens", func(g *GGUF) { g.Types = g.Types[1:] }, []string{"tokenizer.ggml.token_type", "419", "420"}},
		{"unknown type", func(g *GGUF) { g.Types[9] = 7 }, []string{"tokenizer.ggml.token_type[9]", "7"}},
		{"unused vocabulary", func(g *GGUF) {
			for id := range g.Types[:300] {
				g.Types[id] = ggufUnused
			}
		}, []string{"tokenizer.ggml.token_type", "300", "half"}},
		{"merge outside the vocabulary", func(g *GGUF) { g.Merges[3] = "zz z" }, []string{"tokenizer.ggml.merges[3]", "zz"}},
		{"merge of one part", func(g *GGUF) { g.Merges[3] = "e" }, []string{"tokenizer.ggml.merges[3]", "empty"}},
		{"merge of three parts", func(g *GGUF) { g.Merges[3] = "a b c" }, []string{"tokenizer.ggml.merges[3]", "b c"}},
		{"no BOS", func(g *GGUF) { g.BOS = nil }, []string{"tokenizer.ggml.bos_token_id", "missing"}},
		{"BOS outside", func(g *GGUF) { g.BOS = id(420) }, []string{"tokenizer.ggml.bos_token_id", "420"}},
		{"negative BOS", func(g *GGUF) { g.BOS = id(-1) }, []string{"tokenizer.ggml.bos_token_id", "-1"}},
		{"BOS of text", func(g *GGUF) { g.BOS = id(300) }, []string{"300", "special token"}},
		{"EOS outside", func(g *GGUF) { g.EOS, g.AddEOS = id(1<<30), g.AddBOS }, []string{"tokenizer.ggml.eos_token_id", "1073741824"}},
		{"llama without scores", func(g *GGUF) { g.Scores = nil }, []string{"tokenizer.ggml.scores", "0 scores"}},
		{"llama with a score that is no number", func(g *GGUF) { g.Scores[7] = float32(math.NaN()) }, []string{"tokenizer.ggml.scores[7]", "not a number"}},
		{"llama with a huge token", func(g *GGUF) { g.Tokens[400] = strings.Repeat("x", 1<<15) }, []string{"tokenizer.ggml.tokens[400]", "32768"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := asGGUF(loadTestdata(t, "smollm2.json"), "smollm")
			if strings.HasPrefix(c.name, "llama") {
				g = asScoredGGUF(loadTestdata(t, "sentencepiece.json"))
			}
			c.change(&g)
			_, err := FromGGUF(g)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %q", err, want)
				}
			}
		})
	}
}

// FuzzFromGGUF: no metadata makes FromGGUF panic; what is accepted loses no text that has
// tokens, and is the same after being written and read again.
func FuzzFromGGUF(f *testing.F) {
	pieces := asScoredGGUF(loadTestdata(f, "sentencepiece.json"))
	bytes := asGGUF(loadTestdata(f, "smollm2.json"), "smollm")
	f.Add("gpt2", "smollm", "<x>\nab", []byte{3, 1}, "a b", int32(420), byte(1), []byte("ab <x>\xff"))
	f.Add("gpt2", "llama-bpe", "the\nt", []byte{1, 1}, "", int32(0), byte(0), []byte("the"))
	f.Add("llama", "default", "▁▁▁\n<y>\n<0x0a>", []byte{1, 4, 6}, "", int32(1), byte(7), []byte("  <y>\n▁"))
	f.Add("llama", "", "", []byte{}, "", int32(-1), byte(255), []byte(""))
	f.Fuzz(func(t *testing.T, model, pre, tokens string, types []byte, merges string, id int32, flags byte, text []byte) {
		g := bytes
		if model == "llama" {
			g = pieces
		}
		g.Model, g.Pre = model, pre
		g.Tokens, g.Types, g.Scores = slices.Clone(g.Tokens), slices.Clone(g.Types), slices.Clone(g.Scores)
		for i, token := range strings.Split(tokens, "\n") {
			kind := ggufNormal
			if i < len(types) {
				kind = int32(int8(types[i]))
			}
			g.Tokens, g.Types = append(g.Tokens, token), append(g.Types, kind)
			g.Scores = append(g.Scores, float32(i)*float32(int8(flags)))
		}
		if merges != "" {
			g.Merges = append(slices.Clone(g.Merges), strings.Split(merges, "\n")...)
		}
		flag := func(bit byte) *bool { on := flags&bit != 0; return &on }
		g.BOS, g.EOS, g.Unknown = &id, &id, &id
		g.AddBOS, g.AddEOS, g.AddSpacePrefix = flag(1), flag(2), flag(4)
		tok, err := FromGGUF(g)
		if err != nil {
			return
		}
		if e := tok.NewEncoder(); tok.symbols.complete() {
			checkRoundTrip(t, e, text)
		}
		checkSame(t, tok, reparse(t, tok), text)
	})
}
