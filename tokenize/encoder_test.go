package tokenize

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestRoundTripOfAnyBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const frequent = "the cat 1'\n\xe7\xa3\xa8\xc5\xbf<|>"
	for _, name := range []string{"gpt2.json", "llama3.json", "smollm2.json", "qwen2.json", "added.json", "sentencepiece.json"} {
		tok := loadTestdata(t, name)
		e := tok.NewEncoder()
		for range 2000 {
			text := make([]byte, rng.IntN(60))
			for i := range text {
				// Half of the bytes from few values, so that merges happen.
				if text[i] = frequent[rng.IntN(len(frequent))]; rng.IntN(2) == 0 {
					text[i] = byte(rng.IntN(256))
				}
			}
			checkRoundTrip(t, e, text)
		}
	}
}

// checkRoundTrip: text comes back, through ids that are not special.
func checkRoundTrip(t testing.TB, e *Encoder, text []byte) {
	t.Helper()
	tok := e.t
	want := text
	if tok.def.spacing != literal {
		want = bytes.ReplaceAll(text, []byte(marker), []byte{' '})
	}
	ids := e.Append(nil, text)
	if got := tok.AppendText(nil, ids); !bytes.Equal(got, want) {
		t.Fatalf("%q came back as %q", text, got)
	}
	if k := slices.IndexFunc(ids, tok.IsSpecial); k >= 0 {
		t.Fatalf("%q has the special token %d", text, ids[k])
	}
	if got := tok.AppendDocumentText(nil, e.AppendDocument(nil, text)); !bytes.Equal(got, want) {
		t.Fatalf("document %q came back as %q", text, got)
	}
	specials := e.AppendWithSpecials(nil, text)
	if tok.def.spacing != literal && slices.ContainsFunc(tok.def.added, func(a addedToken) bool { return slices.Contains(specials, a.id) }) {
		return // what follows an added token begins with a space that was not there
	}
	if got := tok.AppendDocumentText(nil, specials); !bytes.Equal(got, want) {
		t.Fatalf("%q with specials came back as %q", text, got)
	}
}

func TestSpecialsAreTextUnlessAskedFor(t *testing.T) {
	tok := loadTestdata(t, "llama3.json")
	e := tok.NewEncoder()
	text := []byte("the<|bos|>cat<|eos|>")
	if ids := e.AppendWithSpecials(nil, text); !slices.Contains(ids, 0) || ids[len(ids)-1] != 1 {
		t.Errorf("AppendWithSpecials: %v", ids)
	}
	if ids := e.Append(nil, text); slices.Contains(ids, 0) || slices.Contains(ids, 1) {
		t.Errorf("Append: %v has a special token", ids)
	}
}

// A special token that merges could build from text is still not built.
func TestTextCannotForgeSpecial(t *testing.T) {
	tok := parseWith(t, func(f *testFile) {
		f.addToken("ab")
		f.addToken("abc")
		f.merges("a b", "ab c")
		f.added(tokenOf(f, "ab", true))
		f.Model.IgnoreMerges = true
	})
	e := tok.NewEncoder()
	id := tok.def.added[0].id
	for _, text := range []string{"ab", "xab", "abc"} {
		ids := e.Append(nil, []byte(text))
		if slices.Contains(ids, id) {
			t.Errorf("%q: %v has the special token %d", text, ids, id)
		}
		if got := tok.AppendText(nil, ids); string(got) != text {
			t.Errorf("%q came back as %q", text, got)
		}
	}
	if ids := e.AppendWithSpecials(nil, []byte("xab")); !slices.Contains(ids, id) {
		t.Errorf("AppendWithSpecials: %v lacks the special token %d", ids, id)
	}
}

func TestIgnoreMergesLooksWordsUp(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		tok := parseWith(t, func(f *testFile) {
			f.addToken("cat") // no merge leads to it
			f.Model.IgnoreMerges = ignore
		})
		want := 3
		if ignore {
			want = 1
		}
		if ids := tok.NewEncoder().Append(nil, []byte("cat")); len(ids) != want {
			t.Errorf("ignore_merges %t: %d ids, want %d", ignore, len(ids), want)
		}
	}
}

// A byte without a token, as in SmolLM2's vocabulary, is left out, and its neighbours may
// merge. So is one whose token is special.
func TestBytesWithoutTokenAreLeftOut(t *testing.T) {
	tok := parseWith(t, func(f *testFile) {
		f.addToken("!?")
		f.merges("! ?")
		f.Model.Vocab["ĄĄ"] = f.Model.Vocab["Ą"]
		delete(f.Model.Vocab, "Ą") // the byte 0x04
		f.added(tokenOf(f, "x", true))
	})
	e := tok.NewEncoder()
	for range 2 { // the second time from the caches
		for text, want := range map[string]string{"c\x04at": "cat", "\x04": "", "\x04\x04\x04": "", "": "", "fox": "fo"} {
			ids := e.Append(nil, []byte(text))
			if got := tok.AppendText(nil, ids); string(got) != want {
				t.Errorf("%q came back as %q, want %q", text, got, want)
			}
		}
		if ids := e.Append(nil, []byte("!\x04?")); !slices.Equal(ids, []int32{256}) {
			t.Errorf("ids %v, want that of \"!?\"", ids)
		}
		long := strings.Repeat("\x04", 40)
		if ids := e.Append(nil, []byte("!"+long+long+long+"?")); !slices.Equal(ids, []int32{256}) {
			t.Errorf("ids %v of a long word, want that of \"!?\"", ids)
		}
	}
}

// What an encoder met before makes no difference, when its caches overflow neither.
func TestCachesDoNotShow(t *testing.T) {
	tok := loadTestdata(t, "llama3.json")
	used := tok.NewEncoder()
	rng := rand.New(rand.NewPCG(5, 6))
	word := func(n int) []byte {
		w := make([]byte, n)
		for i := range w {
			w[i] = "abcdehilmnrstu"[rng.IntN(14)]
		}
		return w
	}
	for range 20000 {
		used.Append(nil, word(1+rng.IntN(2*longLen)))
	}
	for range 3000 {
		w := word(1 + rng.IntN(2*longLen))
		want, _ := tok.withoutCaches().encodeWord(w)
		for pass := range 2 {
			if got := used.Append(nil, w); !slices.Equal(got, want) {
				t.Fatalf("pass %d: %q: got %v, want %v", pass, w, got, want)
			}
		}
	}
}

// withoutCaches is for encodeWord alone, which uses none.
func (t *Tokenizer) withoutCaches() *Encoder {
	return &Encoder{t: t, merge: merger{pairs: &t.pairs}, unknown: -1}
}

func TestHugeWordReleasesItsMemory(t *testing.T) {
	e := loadTestdata(t, "gpt2.json").NewEncoder()
	text := []byte(strings.Repeat("the", maxScratch))
	ids := e.Append(nil, text)
	if got := e.t.AppendText(nil, ids); !bytes.Equal(got, text) {
		t.Fatal("text came back changed")
	}
	e.Append(nil, []byte("antidisestablishmentarianism"))
	if cap(e.ids) > maxScratch || cap(e.merge.prev) > maxScratch {
		t.Errorf("scratch of %d and %d symbols is kept", cap(e.ids), cap(e.merge.prev))
	}
}

func TestAppendKeepsDst(t *testing.T) {
	tok := loadTestdata(t, "gpt2.json")
	e := tok.NewEncoder()
	dst := append(make([]int32, 0, 64), 7, 8)
	ids := e.Append(dst, []byte("the cat"))
	if !slices.Equal(ids[:2], []int32{7, 8}) || &ids[0] != &dst[0] {
		t.Errorf("dst was not appended to: %v", ids)
	}
	if got := tok.AppendText([]byte("> "), ids[2:]); string(got) != "> the cat" {
		t.Errorf("AppendText: %q", got)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, name := range []string{"gpt2.json", "llama3.json", "smollm2.json", "qwen2.json", "added.json", "sentencepiece.json"} {
		tok := loadTestdata(t, name)
		e := tok.NewEncoder()
		text := slices.Concat(readTestdata(t, "corpus.txt"), []byte(strings.Repeat("x", 500)+" <|bos|>"))
		var ids []int32
		var back []byte
		pass := func() {
			ids = e.Append(ids[:0], text)
			ids = e.AppendWithSpecials(ids[:0], text)
			back = tok.AppendText(back[:0], ids)
		}
		pass()
		if n := testing.AllocsPerRun(10, pass); n != 0 {
			t.Errorf("%s: %v allocations a pass, want none", name, n)
		}
	}
}

func TestOneTokenizerManyEncoders(t *testing.T) {
	tok := loadTestdata(t, "llama3.json")
	text := readTestdata(t, "corpus.txt")
	want := tok.NewEncoder().Append(nil, text)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			e := tok.NewEncoder()
			for range 20 {
				if got := e.Append(nil, text); !slices.Equal(got, want) {
					t.Error("ids differ between goroutines")
				}
			}
		})
	}
	wg.Wait()
}

// FuzzRoundTrip: any bytes come back, through ids that are not special.
func FuzzRoundTrip(f *testing.F) {
	for _, text := range readGolden(f).Texts[:40] {
		f.Add([]byte(text))
	}
	f.Add([]byte("\xff\xfe\xc5 \xe7\xa3"))
	var encoders []*Encoder
	for _, name := range []string{"gpt2.json", "llama3.json", "smollm2.json", "qwen2.json", "added.json", "sentencepiece.json"} {
		encoders = append(encoders, loadTestdata(f, name).NewEncoder())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, e := range encoders {
			checkRoundTrip(t, e, text)
		}
	})
}
