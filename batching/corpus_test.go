package batching

import (
	"slices"
	"strings"
	"testing"
)

// TestLoadOrder: the order in which documents are added changes nothing.
func TestLoadOrder(t *testing.T) {
	docs := testDocuments(30)
	docs = append(docs, testDocument(4, 9)) // the key of document 4, but another text
	reversed := slices.Clone(docs)
	slices.Reverse(reversed)
	a, b := testCorpus(t, docs), testCorpus(t, reversed)
	if a.Digest() != b.Digest() {
		t.Error("the digest depends on the order of addition")
	}
	mem := checked(t)
	opts := LoaderOptions{Mem: mem}
	sameBatches(t, corpusBatches(t, b, 2, testRecipe(), opts, 1000), corpusBatches(t, a, 2, testRecipe(), opts, 1000))
}

func TestDigestSeesChanges(t *testing.T) {
	base := testCorpus(t, testDocuments(10)).Digest()
	for name, change := range map[string]func(docs []Document) []Document{
		"one less": func(docs []Document) []Document { return docs[:9] },
		"twice":    func(docs []Document) []Document { return append(docs, docs[0]) },
		"a token":  func(docs []Document) []Document { docs[3].Tokens[2]++; return docs },
		"a key":    func(docs []Document) []Document { docs[3].Key++; return docs },
	} {
		if testCorpus(t, change(testDocuments(10))).Digest() == base {
			t.Errorf("%s: same digest", name)
		}
	}
}

func TestSplit(t *testing.T) {
	docs := testDocuments(1000)
	docs = append(docs, docs[:100]...) // duplicates
	c := testCorpus(t, docs)
	for _, h := range []HeldOut{{}, {Fraction: 0.1}, {Count: 50}} {
		train, held, err := c.Split(h)
		if err != nil {
			t.Fatal(err)
		}
		if train.Len()+held.Len() != c.Len() || train.Tokens()+held.Tokens() != c.Tokens() {
			t.Errorf("%+v: %d + %d of %d documents", h, train.Len(), held.Len(), c.Len())
		}
		keys := map[uint64]bool{}
		for i := range held.Len() {
			keys[held.Document(i).Key] = true
		}
		for i := range train.Len() {
			if keys[train.Document(i).Key] {
				t.Fatalf("%+v: document %s is on both sides", h, train.Document(i).ID)
			}
		}
		low, high := 0, 0
		switch {
		case h.Count > 0:
			low, high = h.Count, h.Count+1 // duplicates of the last one stay with it
		case h.Fraction > 0:
			low, high = 80, 145
		}
		if held.Len() < low || held.Len() > high {
			t.Errorf("%+v: %d documents are held out, want %d to %d", h, held.Len(), low, high)
		}
		for i := range held.Len() {
			if h.Count == 0 && !h.Holds(held.Document(i).Key) {
				t.Fatalf("%+v: Holds and Split disagree", h)
			}
		}
	}
}

// TestSplitSidesAreApart: adding to one side does not touch the other.
func TestSplitSidesAreApart(t *testing.T) {
	c := testCorpus(t, testDocuments(20))
	train, held, err := c.Split(HeldOut{Count: 5})
	if err != nil {
		t.Fatal(err)
	}
	before := held.Digest()
	if err := train.Add(testDocument(100, 30)); err != nil {
		t.Fatal(err)
	}
	if err := held.Add(testDocument(200, 30)); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(testDocument(300, 30)); err != nil {
		t.Fatal(err)
	}
	if got := train.Document(train.Len() - 1); !slices.Equal(got.Tokens, testDocument(100, 30).Tokens) {
		t.Error("an Add elsewhere changed the training side")
	}
	if held.Digest() == before {
		t.Error("the Add was lost")
	}
}

func TestCorpusErrors(t *testing.T) {
	c := testCorpus(t, testDocuments(3))
	if err := c.Add(testDocument(7, 0)); err == nil || !strings.Contains(err.Error(), `"doc7" (tales.jsonl:8)`) {
		t.Errorf("Add of an empty document: %v", err)
	}
	for want, h := range map[string]HeldOut{
		"below 1": {Fraction: 1}, "negative": {Count: -1}, "both": {Fraction: 0.1, Count: 1}, "none is left": {Count: 3},
	} {
		if _, _, err := c.Split(h); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Split(%+v) = %v, want an error with %q", h, err, want)
		}
	}
}
