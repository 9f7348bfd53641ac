package training_test

import (
	"strings"
	"testing"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/pipeline/training"
)

// A held-out text that stands among the documents a second time, under another name, is
// not learned from: the run is the one without the copies.
func TestCopiesOfHeldOutTexts(t *testing.T) {
	dir, withCopies := t.TempDir(), t.TempDir()
	j := newJob(t, dir, nil)
	mustRun(t, j)

	all := newJob(t, withCopies, nil)
	_, held, err := all.Corpus.Split(batching.HeldOut{Count: all.Config.HeldOut})
	if err != nil {
		t.Fatal(err)
	}
	for i := range held.Len() {
		doc := held.Document(i)
		doc.ID, doc.Key = doc.ID+" again", doc.Key+7
		if err := all.Corpus.Add(doc); err != nil {
			t.Fatal(err)
		}
	}
	if _, now, err := all.Corpus.Split(batching.HeldOut{Count: all.Config.HeldOut}); err != nil || now.Digest() != held.Digest() {
		t.Fatalf("the copies changed what is held out (%v): the test wants other keys for them", err)
	}
	mustRun(t, all)
	wantSame(t, "with copies of held-out texts", left(t, dir), left(t, withCopies))
}

func TestNothingButCopies(t *testing.T) {
	j := newJob(t, t.TempDir(), func(j *training.Job) {
		doc := j.Corpus.Document(0)
		j.Corpus = &batching.Corpus{}
		for key := range uint64(20) {
			doc.Key = key
			if err := j.Corpus.Add(doc); err != nil {
				t.Fatal(err)
			}
		}
	})
	if _, err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "none is left to train on") {
		t.Errorf("a corpus of one text twenty times: %v, want an error that says so", err)
	}
}
