package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
)

// explainingJob explains what fakeJob does, failures too.
type explainingJob struct{ fakeJob }

func (j *explainingJob) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	return j.fakeJob.Compute(ctx, in, func(item *pipeline.Item) error {
		item.Explanation = append([]byte("why "), item.Delivery.Value...)
		return done(item)
	})
}

// What was written is explained in the order of the input; failures and records that pass
// unchanged are not.
func TestExplanationsAreInTheOrderOfTheInput(t *testing.T) {
	recs := records(40)
	recs[3].Value, recs[17].Value, recs[30].Value = []byte("bad"), []byte("same"), []byte("worse")
	var want []string
	for i, rec := range recs {
		if i != 3 && i != 17 && i != 30 {
			want = append(want, "why "+string(rec.Value))
		}
	}
	var got []string
	o := options(64, 7)
	o.Explain = func(explanation []byte) error {
		got = append(got, string(explanation))
		return nil
	}
	job := &explainingJob{fakeJob{order: func(items []*pipeline.Item) { slices.Reverse(items) }, gather: 64}}
	if _, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), job, memory.NewSink(), memory.NewSink(), o); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("explained %q, want %q", got, want)
	}
}

// An explanation that cannot be written ends the run; what is written stays acknowledged.
func TestExplanationThatCannotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	o := options(8, 1)
	o.Explain = func([]byte) error { return full }
	src, sink := memory.FromSlice("s", records(20)), memory.NewSink()
	_, err := pipeline.Run(bounded(t), nil, src, &explainingJob{}, sink, memory.NewSink(), o)
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "write the explanation of s:1") {
		t.Fatal(err)
	}
	if got := int(acknowledged(src)); got != len(sink.Records()) || got == 0 {
		t.Errorf("%d acknowledged, %d written", got, len(sink.Records()))
	}
}
