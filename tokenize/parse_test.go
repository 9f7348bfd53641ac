package tokenize

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testFile is a tokenizer.json to be spoiled: the 256 bytes, GPT-2's pipeline and
// nothing else.
type testFile struct {
	AddedTokens   []map[string]any `json:"added_tokens"`
	Normalizer    any              `json:"normalizer"`
	PreTokenizer  any              `json:"pre_tokenizer"`
	PostProcessor any              `json:"post_processor"`
	Decoder       any              `json:"decoder"`
	Model         struct {
		Type         string         `json:"type"`
		Dropout      any            `json:"dropout"`
		Prefix       any            `json:"continuing_subword_prefix"`
		Suffix       any            `json:"end_of_word_suffix"`
		Unknown      any            `json:"unk_token"`
		IgnoreMerges bool           `json:"ignore_merges"`
		ByteFallback bool           `json:"byte_fallback"`
		Vocab        map[string]any `json:"vocab"`
		Merges       any            `json:"merges"`
	} `json:"model"`
}

func newTestFile() *testFile {
	f := &testFile{PreTokenizer: raw(formOf(GPT2, literal).preTokenizer)}
	f.Model.Type, f.Model.Merges = "BPE", []string{}
	f.Model.Vocab = map[string]any{}
	for b := range 256 {
		f.addToken(newAlphabet().spell([]byte{byte(b)}))
	}
	return f
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func (f *testFile) addToken(s string)           { f.Model.Vocab[s] = len(f.Model.Vocab) }
func (f *testFile) merges(lines ...string)      { f.Model.Merges = lines }
func (f *testFile) added(tokens ...testAdded)   { f.AddedTokens = asMaps(tokens) }
func (f *testFile) marshal(t testing.TB) []byte { t.Helper(); return marshal(t, f) }

type testAdded struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
	Lstrip  bool   `json:"lstrip"`
}

// tokenOf returns the added token for a token of the vocabulary.
func tokenOf(f *testFile, content string, special bool) testAdded {
	return testAdded{ID: f.Model.Vocab[content].(int), Content: content, Special: special}
}

func asMaps(tokens []testAdded) []map[string]any {
	var maps []map[string]any
	for _, a := range tokens {
		maps = append(maps, map[string]any{"id": a.ID, "content": a.Content, "special": a.Special, "lstrip": a.Lstrip})
	}
	return maps
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parseWith(t *testing.T, change func(*testFile)) *Tokenizer {
	t.Helper()
	f := newTestFile()
	change(f)
	return f.parse(t)
}

const template = `{"type":"TemplateProcessing","single":[%],"pair":[],"special_tokens":{"<x>":{"id":"<x>","ids":[256],"tokens":["<x>"]},"<y>":{"id":"<y>","ids":[900],"tokens":["<y>"]}}}`

func templateOf(single string) json.RawMessage { return raw(strings.Replace(template, "%", single, 1)) }

// Every error says where in the file it lies and what is wrong there.
func TestParseRefuses(t *testing.T) {
	x := testAdded{ID: 256, Content: "<x>", Special: true}
	for _, c := range []struct {
		name   string
		change func(f *testFile)
		want   []string
	}{
		{"normalizer", func(f *testFile) { f.Normalizer = raw(`{"type":"NFC"}`) }, []string{"normalizer", "NFC"}},
		{"no pre-tokenizer", func(f *testFile) { f.PreTokenizer = nil }, []string{"pre_tokenizer", "null", "supported: gpt2 = ByteLevel("}},
		{"unknown pre-tokenizer", func(f *testFile) {
			f.PreTokenizer = raw(`{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Metaspace","replacement":"_"}]}`)
		}, []string{"pre_tokenizer.pretokenizers[1]", "Metaspace", "supported: "}},
		{"prefix space", func(f *testFile) {
			f.PreTokenizer = raw(`{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}`)
		}, []string{"pre_tokenizer: ByteLevel(add_prefix_space=true"}},
		{"other pattern", func(f *testFile) {
			f.PreTokenizer = raw(strings.Replace(formOf(Llama3, literal).preTokenizer, "{1,3}", "{1,2}", 1))
		}, []string{"pre_tokenizer.pretokenizers[0]: Split(", "supported: "}},
		{"truncated sequence", func(f *testFile) {
			f.PreTokenizer = raw(`{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true}]}`)
		}, []string{"pre_tokenizer: Digits(individual_digits=true) is not supported as a whole"}},
		{"longer sequence", func(f *testFile) {
			f.PreTokenizer = raw(`{"type":"Sequence","pretokenizers":[` + formOf(GPT2, literal).preTokenizer + `,` + formOf(GPT2, literal).preTokenizer + `]}`)
		}, []string{"pre_tokenizer.pretokenizers[1]"}},
		{"unknown option", func(f *testFile) {
			f.PreTokenizer = raw(`{"type":"ByteLevel","add_prefix_space":false,"fold":true}`)
		}, []string{"pre_tokenizer", "fold"}},
		{"deep nesting", func(f *testFile) {
			f.PreTokenizer = raw(strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 50) + strings.Repeat(`]}`, 50))
		}, []string{"nested"}},
		{"type of pre-tokenizer", func(f *testFile) { f.PreTokenizer = 7 }, []string{"pre_tokenizer"}},
		{"decoder", func(f *testFile) { f.Decoder = raw(`{"type":"Metaspace"}`) }, []string{"decoder", "Metaspace", "ByteLevel"}},
		{"byte fallback where bytes have no token", func(f *testFile) { delete(f.Model.Vocab, "Ą"); f.Model.ByteFallback = true }, []string{"model.byte_fallback"}},
		{"model type", func(f *testFile) { f.Model.Type = "Unigram" }, []string{"model.type", "Unigram", "BPE"}},
		{"dropout", func(f *testFile) { f.Model.Dropout = 0.1 }, []string{"model.dropout", "0.1"}},
		{"subword prefix", func(f *testFile) { f.Model.Prefix = "##" }, []string{"model.continuing_subword_prefix", "##"}},
		{"word suffix", func(f *testFile) { f.Model.Suffix = "</w>" }, []string{"model.end_of_word_suffix", "</w>"}},
		{"no bytes", func(f *testFile) { f.Model.Vocab = map[string]any{"the": 0} }, []string{"model.vocab", "no byte"}},
		{"duplicate id", func(f *testFile) { f.Model.Vocab["zz"] = 5 }, []string{"model.vocab: id 5", "zz"}},
		{"empty token", func(f *testFile) { f.addToken("") }, []string{"model.vocab", "256", "empty"}},
		{"negative id", func(f *testFile) { f.Model.Vocab["zz"] = -1 }, []string{`model.vocab["zz"]`, "-1"}},
		{"id over the cap", func(f *testFile) { f.Model.Vocab["zz"] = MaxVocab }, []string{`model.vocab["zz"]`, "1048576"}},
		{"id over int32", func(f *testFile) { f.Model.Vocab["zz"] = 1 << 40 }, []string{"model", "1099511627776"}},
		{"sparse ids", func(f *testFile) { f.Model.Vocab["zz"] = 100000 }, []string{"model.vocab", "100000", "name nothing"}},
		{"id of a string", func(f *testFile) { f.Model.Vocab["zz"] = "x" }, []string{"model", "string"}},
		{"merge outside the vocabulary", func(f *testFile) { f.merges("a b") }, []string{"model.merges[0]", "a", "b"}},
		{"merge of one part", func(f *testFile) { f.merges("ab") }, []string{"merges[0]", "ab"}},
		{"merge of an empty part", func(f *testFile) { f.Model.Merges = [][]string{{"a", ""}} }, []string{"model.merges[0]", "empty"}},
		{"merge of three parts", func(f *testFile) { f.Model.Merges = [][]string{{"a", "b", "c"}} }, []string{"merges[0]", "two parts"}},
		{"merges of numbers", func(f *testFile) { f.Model.Merges = []int{1} }, []string{"model"}},
		{"empty added token", func(f *testFile) { f.added(testAdded{ID: 256}) }, []string{"added_tokens[0]", "empty"}},
		{"added id twice", func(f *testFile) { f.added(x, testAdded{ID: 256, Content: "<y>"}) }, []string{"added_tokens[1]", "256", "<x>", "<y>"}},
		{"added content twice", func(f *testFile) { f.added(x, testAdded{ID: 257, Content: "<x>"}) }, []string{"added_tokens[1]", "<x>", "twice"}},
		{"added id of another token", func(f *testFile) { f.added(testAdded{ID: 0, Content: "<x>"}) }, []string{"added_tokens[0]", "<x>", "model.vocab"}},
		{"added token with another id", func(f *testFile) { f.added(testAdded{ID: 256, Content: "!"}) }, []string{"added_tokens[0]", "!", "256"}},
		{"added id over the cap", func(f *testFile) { f.added(testAdded{ID: MaxVocab, Content: "<x>"}) }, []string{"added_tokens[0]", "1048576"}},
		{"post-processor", func(f *testFile) {
			f.PostProcessor = raw(`{"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"Other"}]}`)
		}, []string{"post_processor.processors[1]", "Other", "TemplateProcessing"}},
		{"unknown post-processor field", func(f *testFile) { f.PostProcessor = raw(`{"type":"BertProcessing","sep":["x",1]}`) }, []string{"post_processor", "sep"}},
		{"two templates", func(f *testFile) {
			one := string(templateOf(`{"Sequence":{"id":"A","type_id":0}}`))
			f.PostProcessor = raw(`{"type":"Sequence","processors":[` + one + `,` + one + `]}`)
		}, []string{"post_processor.processors[1]", "second"}},
		{"template without text", func(f *testFile) { f.added(x); f.PostProcessor = templateOf(`{"SpecialToken":{"id":"<x>"}}`) }, []string{"post_processor.single", "Sequence A"}},
		{"template of two tokens", func(f *testFile) {
			f.added(x)
			f.PostProcessor = templateOf(`{"SpecialToken":{"id":"<x>"}},{"SpecialToken":{"id":"<x>"}},{"Sequence":{"id":"A"}}`)
		}, []string{"post_processor", "more than one"}},
		{"template of an unknown token", func(f *testFile) {
			f.PostProcessor = templateOf(`{"SpecialToken":{"id":"<z>"}},{"Sequence":{"id":"A"}}`)
		}, []string{"post_processor", "<z>"}},
		{"template id outside the vocabulary", func(f *testFile) {
			f.PostProcessor = templateOf(`{"SpecialToken":{"id":"<y>"}},{"Sequence":{"id":"A"}}`)
		}, []string{"post_processor", "<y>", "900"}},
		{"template of a token of text", func(f *testFile) {
			f.addToken("<x>")
			f.PostProcessor = templateOf(`{"SpecialToken":{"id":"<x>"}},{"Sequence":{"id":"A"}}`)
		}, []string{"post_processor", "256", "special"}},
		{"template piece", func(f *testFile) { f.PostProcessor = templateOf(`{"Sequence":{"id":"B"}}`) }, []string{"post_processor.single[0]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newTestFile()
			c.change(f)
			_, err := Parse(f.marshal(t))
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

// SentencePiece vocabularies: what differs from the known forms is named.
func TestParseRefusesPieces(t *testing.T) {
	prependOnly := raw(`{"type":"Prepend","prepend":"▁"}`)
	metaspace := func(options string) json.RawMessage {
		return raw(`{"type":"Metaspace","replacement":"▁"` + options + `}`)
	}
	for _, c := range []struct {
		name   string
		change func(f *testFile)
		want   []string
	}{
		{"no normalizer", func(f *testFile) { f.Normalizer = nil }, []string{"pre_tokenizer: null", "Metaspace"}},
		{"half a normalizer", func(f *testFile) { f.Normalizer = prependOnly }, []string{`normalizer: Prepend("▁") is not supported as a whole`, "Replace"}},
		{"another prefix", func(f *testFile) {
			f.Normalizer = raw(strings.Replace(formOf(SentencePiece, prepended).normalizer, `"▁"`, `"_"`, 1))
		}, []string{`normalizer.normalizers[0]: Prepend("_")`}},
		{"unknown normalizer", func(f *testFile) {
			f.Normalizer = raw(`{"type":"Sequence","normalizers":[` + string(prependOnly) + `,{"type":"NFKC"}]}`)
		}, []string{"normalizer.normalizers[1]", "NFKC"}},
		{"regular expression", func(f *testFile) {
			f.Normalizer = raw(`{"type":"Replace","pattern":{"Regex":" "},"content":"▁"}`)
		}, []string{"normalizer: Replace(", "Regex"}},
		{"pre-tokenizer beside the normalizer", func(f *testFile) { f.PreTokenizer = metaspace(`,"prepend_scheme":"first","split":false`) }, []string{"pre_tokenizer: Metaspace(", "supported: null"}},
		{"Metaspace that splits", func(f *testFile) { f.Normalizer, f.PreTokenizer = nil, metaspace("") }, []string{"pre_tokenizer: Metaspace(", "split=true"}},
		{"Metaspace of old", func(f *testFile) {
			f.Normalizer, f.PreTokenizer = nil, metaspace(`,"add_prefix_space":false,"prepend_scheme":"never","split":false`)
		}, []string{"pre_tokenizer: Metaspace(", "add_prefix_space=false"}},
		{"no decoder", func(f *testFile) { f.Decoder = nil }, []string{"decoder: null", "ByteFallback"}},
		{"other decoder", func(f *testFile) { f.Decoder = raw(`{"type":"WordPiece"}`) }, []string{"decoder", "WordPiece"}},
		{"decoder of another form", func(f *testFile) { f.Decoder = raw(unmarkDecoder) }, []string{"decoder: ", "Fuse is not supported as a whole"}},
		{"decoder that strips more", func(f *testFile) {
			f.Decoder = raw(strings.Replace(stripDecoder, `"start":1`, `"start":2`, 1))
		}, []string{"decoder.decoders[3]", "start=2"}},
		{"ignore_merges", func(f *testFile) { f.Model.IgnoreMerges = true }, []string{"model.ignore_merges"}},
		{"no byte fallback", func(f *testFile) { f.Model.ByteFallback = false }, []string{"model.byte_fallback"}},
		{"unknown token outside", func(f *testFile) { f.Model.Unknown = "<none>" }, []string{"model.unk_token", "<none>"}},
		{"no symbols", func(f *testFile) { f.Model.Vocab = map[string]any{"<unk>": 0, "the": 1} }, []string{"model.vocab", "SentencePiece"}},
		{"tokens that the normalizer makes equal", func(f *testFile) {
			f.AddedTokens = []map[string]any{{"id": 258, "content": "a b", "normalized": true}, {"id": 259, "content": "a▁b", "normalized": true}}
		}, []string{"added_tokens", "258", "259"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := piecesFile([]string{"▁"})
			f.parse(t) // as it is, it is accepted
			c.change(f)
			_, err := Parse(f.marshal(t))
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

func TestParseRefusesWhatIsNoTokenizer(t *testing.T) {
	for _, data := range []string{"", "null", "[]", "{}", "{", `{"model":3}`, `"x"`, strings.Repeat("[", 1<<20)} {
		if _, err := Parse([]byte(data)); err == nil {
			t.Errorf("%.20q was accepted", data)
		}
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".missing"} {
		if _, err := Load(p); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v does not name %s", err, p)
		}
	}
}

func TestLoadCapsTheSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.json")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, MaxFileSize+1); err != nil { // sparse: takes no disk
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "134217728 bytes") {
		t.Errorf("error %v", err)
	}
}

// Both spellings of merges, and files without the fields that newer versions write.
func TestParseOldFiles(t *testing.T) {
	for _, merges := range []any{[]string{"a b", "ab a"}, [][]string{{"a", "b"}, {"ab", "a"}}} {
		f := newTestFile()
		f.addToken("ab")
		f.addToken("aba")
		f.Model.Merges, f.Model.Type = merges, ""
		f.PreTokenizer = raw(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}`)
		tok, err := Parse(f.marshal(t))
		if err != nil {
			t.Fatal(err)
		}
		if ids := tok.NewEncoder().Append(nil, []byte("abab")); len(ids) != 2 || ids[0] != 256 || ids[1] != 256 {
			t.Errorf("merges %v: ids %v", merges, ids)
		}
	}
}

// FuzzParse: no file makes Parse panic; one that is accepted loses no bytes that have a token and is the
// same after being written and read again. The parts that differ between files are
// put into one that has the 256 bytes, so that most changes reach beyond the JSON.
func FuzzParse(f *testing.F) {
	bytesOnly := newTestFile()
	vocab := strings.TrimSuffix(string(marshal(f, bytesOnly.Model.Vocab)), "}")
	bos := `[{"id":258,"content":"<x>","special":true},{"id":257,"content":" a","normalized":true}]`
	around := string(templateOf(`{"SpecialToken":{"id":"<x>"}},{"Sequence":{"id":"A"}}`))
	f.Add("[]", formOf(GPT2, literal).preTokenizer, "null", "", "[]", []byte("\xff x"))
	f.Add(bos, formOf(Llama3, literal).preTokenizer, strings.Replace(around, "256", "258", 1), `,"ab":256`, `["a b"]`, []byte("a<x>abb"))
	f.Add(bos, formOf(SmolLM2, literal).preTokenizer, `{"type":"Sequence","processors":[{"type":"ByteLevel"}]}`, `,"aa":256,"aaa":259`, `[["a","a"],["a","aa"]]`, []byte("aaaa 12"))
	f.Add(`[{"id":0,"content":"\u0000"}]`, "null", "{}", `,"a":256,"":-1`, `[["a"]]`, []byte("a"))
	f.Fuzz(func(t *testing.T, added, preTokenizer, postProcessor, moreVocab, merges string, text []byte) {
		tok, err := Parse([]byte(`{"added_tokens":` + added + `,"pre_tokenizer":` + preTokenizer + `,"post_processor":` + postProcessor +
			`,"model":{"type":"BPE","ignore_merges":` + strconv.FormatBool(len(text)%2 == 0) + `,"vocab":` + vocab + moreVocab + `},"merges":` + merges + `}}`))
		if err != nil {
			return
		}
		ids := tok.NewEncoder().Append(nil, text)
		complete := !slices.ContainsFunc(text, func(b byte) bool { return tok.symbols.byteID[b] < 0 })
		if got := tok.AppendText(nil, ids); complete && string(got) != string(text) {
			t.Fatalf("%q came back as %q", text, got)
		}
		if k := slices.IndexFunc(ids, tok.IsSpecial); k >= 0 {
			t.Fatalf("%q has the special token %d", text, ids[k])
		}
		checkSame(t, tok, reparse(t, tok), text)
	})
}
