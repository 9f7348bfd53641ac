package training_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/rows"
	"github.com/any-order/a3/pipeline/training"
)

// parcels is a topic of one partition whose records hold several documents each.
type parcels struct {
	values [][]byte

	mu      sync.Mutex
	at      int
	settled []int64 // mu: offsets
	opened  []int64 // mu: where it was opened
}

// newParcels makes records of three documents, the second of each fifth of which is no
// document.
func newParcels(t *testing.T, docs []string) *parcels {
	t.Helper()
	p := &parcels{}
	for three := range slices.Chunk(docs, 3) {
		var objects [][]byte
		for i, doc := range three {
			object := fmt.Appendf(nil, `{"id":%q,"text":%q}`, doc[:6], doc)
			if i == 1 && len(p.values)%5 == 4 {
				object = []byte(`{"id":"empty","text":""}`)
			}
			objects = append(objects, object)
		}
		value, err := rows.Join(objects)
		if err != nil {
			t.Fatal(err)
		}
		p.values = append(p.values, value)
	}
	return p
}

func (p *parcels) Names() []string { return []string{"stories"} }

func (p *parcels) Extents(context.Context) ([]training.Extent, error) {
	return []training.Extent{{Stream: "stories", End: int64(len(p.values))}}, nil
}

func (p *parcels) Begin(context.Context) ([]connectors.Origin, error) {
	return []connectors.Origin{{Stream: "stories"}}, nil
}

func (p *parcels) Open(_ context.Context, from []connectors.Origin) (connectors.Source, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.opened = int(from[0].Next), append(p.opened, from[0].Next)
	return p, nil
}

func (p *parcels) Read(context.Context, int) ([]connectors.Delivery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == len(p.values) {
		return nil, io.EOF
	}
	o := connectors.Origin{Stream: "stories", Offset: int64(p.at), Next: int64(p.at) + 1}
	p.at++
	headers := []connectors.Header{{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeArrow)}}
	return []connectors.Delivery{{
		Record: connectors.Record{Origin: o, Value: p.values[o.Offset], Headers: headers},
		Settle: func(error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.settled = append(p.settled, o.Offset)
		},
	}}, nil
}

func (p *parcels) Close(context.Context) error { return nil }

// A run that learns from records of several documents and is stopped in the middle of them
// ends with the bits of one that is not: each row is trained once, and a record is settled
// when all of its rows are.
func TestTrainOnRows(t *testing.T) {
	docs := stories(90)
	train := func(topic *parcels, bad *[]string) func(*training.Job) {
		return func(j *training.Job) {
			j.Corpus, j.Topic, j.Parse = nil, topic, record.DefaultOptions()
			j.Config.Optimizer.Steps, j.Config.SaveEvery = 8, 3
			j.Bad = func(o connectors.Origin, _ error) error {
				*bad = append(*bad, o.String())
				return nil
			}
		}
	}
	dir := t.TempDir()
	var bad, badAgain []string
	topic := newParcels(t, docs)
	mustRun(t, newJob(t, filepath.Join(dir, "whole"), train(topic, &bad)))
	if len(bad) == 0 || bad[0] != "stories/0@4#2" {
		t.Errorf("bad rows %v", bad)
	}
	if n := len(topic.settled); n == 0 || !slices.IsSorted(topic.settled) || n == len(topic.values) {
		t.Errorf("settled %v", topic.settled)
	}
	again := newParcels(t, docs)
	change := train(again, &badAgain)
	within := 0 // stops in the middle of a record
	for _, step := range []int{2, 4, 6} {
		stopAfter(t, filepath.Join(dir, "parts"), change, step)
		manifests, err := filepath.Glob(filepath.Join(dir, "parts", "step-*", "manifest.json"))
		if err != nil || len(manifests) == 0 {
			t.Fatalf("no manifest: %v", err)
		}
		text, err := os.ReadFile(manifests[len(manifests)-1])
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`"row": ?[12]`).Match(text) {
			within++
		}
	}
	mustRun(t, newJob(t, filepath.Join(dir, "parts"), change))
	wantSame(t, "stopped among rows", left(t, filepath.Join(dir, "whole")), left(t, filepath.Join(dir, "parts")))
	if within == 0 || len(again.opened) != 4 {
		t.Errorf("%d stops were in the middle of a record; opened at %v", within, again.opened)
	}
}

// Rows that cannot be read are named; a stream that cannot is one bad record.
func TestReadTextsOfRows(t *testing.T) {
	p := newParcels(t, stories(15))
	p.values = append(p.values, []byte("no stream"))
	var bad []string
	texts, err := training.ReadTexts(t.Context(), p, record.DefaultOptions(), func(o connectors.Origin, err error) error {
		bad = append(bad, o.String())
		return nil
	})
	if err != nil || len(texts) != 14 || texts[1].Origin.Row != 2 || texts[1].ID != "Day 1." || !slices.Equal(bad, []string{"stories/0@4#2", "stories/0@5"}) {
		t.Errorf("%d texts, bad %v, error %v", len(texts), bad, err)
	}
	if len(p.settled) != 6 {
		t.Errorf("settled %v", p.settled)
	}
}
