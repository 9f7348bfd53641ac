package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
)

func texts(values ...string) []connectors.Record {
	recs := make([]connectors.Record, len(values))
	for i, v := range values {
		recs[i].Value = []byte(v)
	}
	return recs
}

func TestFailedRecordsAreDeadLetters(t *testing.T) {
	recs := texts("0", "bad", "worse", "panic", "4")
	recs[1].Key, recs[1].Headers = []byte("key"), []connectors.Header{{Name: "h", Value: []byte("v")}, {Name: pipeline.HeaderError, Value: []byte("of an earlier job")}}
	src, sink, dead := memory.FromSlice("s", recs), memory.NewSink(), memory.NewSink()
	counts, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, sink, dead, options(8, 8))
	if err != nil {
		t.Fatal(err)
	}
	if counts.Failed != 3 || counts.Written != 2 || acknowledged(src) != 5 {
		t.Errorf("counts %+v, %d acknowledged", counts, acknowledged(src))
	}
	wantValues(t, sink.Records(), "<0>", "<4>")
	letters := dead.Records()
	wantValues(t, letters, "bad", "worse", "panic")
	for i, want := range []string{"cannot be computed", "cannot be prepared", "a mistake of this program, please report it with the record: index out of range"} {
		h := letters[i].Headers
		h = h[len(h)-3:]
		origin, stage := "s:"+string(rune('2'+i)), []string{"compute", "prepare", "prepare"}[i]
		if h[0].Name != pipeline.HeaderOrigin || string(h[0].Value) != origin || h[1].Name != pipeline.HeaderStage || string(h[1].Value) != stage ||
			h[2].Name != pipeline.HeaderError || string(h[2].Value) != want {
			t.Errorf("letter %d has the headers %s, want origin %s, stage %s and error %q", i, h, origin, stage, want)
		}
	}
	if first := letters[0]; string(first.Key) != "key" || first.Headers[0].Name != "h" || len(first.Headers) != 4 {
		t.Errorf("a letter lost its key or headers: %+v", first)
	}
}

func TestOutputCarriesKeyHeadersAndTime(t *testing.T) {
	recs := texts("0")
	recs[0].Key, recs[0].Headers = []byte("key"), []connectors.Header{{Name: "h", Value: nil}, {Name: pipeline.HeaderError, Value: []byte("of an earlier job")}}
	sink := memory.NewSink()
	if _, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), &fakeJob{}, sink, memory.NewSink(), options(8, 8)); err != nil {
		t.Fatal(err)
	}
	got := sink.Records()[0]
	if string(got.Value) != "<0>" || string(got.Key) != "key" || len(got.Headers) != 1 || got.Headers[0].Name != "h" || got.Origin.Offset != 1 {
		t.Errorf("%+v", got)
	}
}

// Every output is JSON: one that said it was plain text would be read as such by the
// next job.
func TestOutputIsNotCalledText(t *testing.T) {
	recs := texts("0")
	recs[0].Headers = []connectors.Header{
		{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeText)},
		{Name: "trace", Value: []byte("7")},
	}
	sink := memory.NewSink()
	if _, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), &fakeJob{}, sink, memory.NewSink(), options(8, 8)); err != nil {
		t.Fatal(err)
	}
	if got := sink.Records()[0]; got.IsText() || len(got.Headers) != 1 || got.Headers[0].Name != "trace" {
		t.Errorf("headers %v", got.Headers)
	}
	if !recs[0].IsText() {
		t.Errorf("the input's headers became %v", recs[0].Headers)
	}
}

func TestTombstonesAreDropped(t *testing.T) {
	recs := texts("0", "1", "", "3")
	recs[1].Value = nil // a tombstone; the empty value is none
	src, sink := memory.FromSlice("s", recs), memory.NewSink()
	counts, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, sink, memory.NewSink(), options(8, 8))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Records(), "<0>", "<>", "<3>")
	if counts.Dropped != 1 || counts.Read != 4 || acknowledged(src) != 4 {
		t.Errorf("counts %+v, %d acknowledged", counts, acknowledged(src))
	}
}

// A record that the source could not read whole is a dead letter, and no job sees it.
func TestDeliveryErrorIsADeadLetter(t *testing.T) {
	job := &fakeJob{}
	src := cutSource{memory.FromSlice("s", texts("cut of", "1"))}
	sink, dead := memory.NewSink(), memory.NewSink()
	if _, err := pipeline.Run(bounded(t), nil, src, job, sink, dead, options(8, 8)); err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Records(), "<1>")
	wantValues(t, dead.Records(), "cut of")
	if job.prepared != 1 {
		t.Errorf("the job saw %d records, want 1", job.prepared)
	}
}

// cutSource marks its first record as not read whole.
type cutSource struct{ connectors.Source }

func (s cutSource) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	batch, err := s.Source.Read(ctx, max)
	for i := range batch {
		if batch[i].Origin.Offset == 1 {
			batch[i].Err = errors.New("line is longer than the limit")
		}
	}
	return batch, err
}

func TestRejectedOutputIsADeadLetter(t *testing.T) {
	src, dead := memory.FromSlice("s", records(6)), memory.NewSink()
	sink := &fakeSink{Sink: memory.NewSink(), fail: func(batch []connectors.Record) error {
		failed := map[int]error{}
		for i, rec := range batch {
			if v := string(rec.Value); v == "<1>" || v == "<5>" {
				failed[i] = errors.Join(errors.New("too large"), connectors.ErrRejected)
			}
		}
		if len(failed) == 0 {
			return nil
		}
		return &connectors.ItemError{Failed: failed}
	}}
	counts, err := pipeline.Run(bounded(t), nil, src, &fakeJob{gather: 6}, sink, dead, options(6, 6))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, dead.Records(), "1", "5")
	if counts.Failed != 2 || counts.Written != 4 || acknowledged(src) != 6 {
		t.Errorf("counts %+v, %d acknowledged", counts, acknowledged(src))
	}
	if done, err := sink.Resume(); err != nil || len(done) != 1 || done[0].Next != 6 {
		t.Errorf("the sink is at %v, %v: a rejected record would come again", done, err)
	}
}

// Any other failure of the sink ends the run, and nothing of the batch is acknowledged.
func TestSinkErrorEndsTheRun(t *testing.T) {
	full := errors.New("no space left")
	for name, failure := range map[string]error{
		"all of the batch": full,
		"one for a cause that may pass": &connectors.ItemError{Failed: map[int]error{
			0: connectors.ErrRejected, 1: full,
		}},
	} {
		src := memory.FromSlice("s", records(20))
		sink := &fakeSink{Sink: memory.NewSink(), fail: func(batch []connectors.Record) error {
			if slices.Contains(values(batch), "<7>") {
				return failure
			}
			return nil
		}}
		_, err := pipeline.Run(bounded(t), nil, src, &fakeJob{gather: 2}, sink, memory.NewSink(), options(4, 2))
		if !errors.Is(err, full) || !strings.Contains(err.Error(), "write output") {
			t.Errorf("%s: error %v", name, err)
		}
		written := sink.Records()
		wantValues(t, written, outputs(20)[:len(written)]...)
		if got := acknowledged(src); got > 7 || got != int64(len(written)) {
			t.Errorf("%s: %d acknowledged, %d written, and the batch with 7 failed", name, got, len(written))
		}
	}
}

// What cannot be recorded as failed is not acknowledged.
func TestDeadLetterErrorEndsTheRun(t *testing.T) {
	full := errors.New("no space left")
	src := memory.FromSlice("s", texts("0", "bad", "2"))
	dead := &fakeSink{Sink: memory.NewSink(), fail: func([]connectors.Record) error { return full }}
	_, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, memory.NewSink(), dead, options(1, 1))
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "dead letters") {
		t.Errorf("error %v", err)
	}
	if got := acknowledged(src); got != 1 {
		t.Errorf("%d acknowledged", got)
	}
}

// Inputs without output advance the sink, so that they are not done again.
func TestAdvanceOverRecordsWithoutOutput(t *testing.T) {
	for name, recs := range map[string][]connectors.Record{
		"a failed last one":      texts("0", "bad"),
		"nothing but failures":   texts("bad", "worse"),
		"a tombstone at the end": {{Value: []byte("0")}, {Value: nil}},
	} {
		sink := memory.NewSink()
		for run := range 2 {
			counts, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), &fakeJob{}, sink, memory.NewSink(), options(4, 4))
			if err != nil {
				t.Fatal(err)
			}
			if want := 2 - 2*run; counts.Read != want {
				t.Errorf("%s: run %d did %d records, want %d", name, run+1, counts.Read, want)
			}
		}
	}
}

// Each stream is advanced by itself: the end of one says nothing of another.
func TestAdvanceByStream(t *testing.T) {
	a, b := connectors.Origin{Stream: "a", Partition: 1, Next: 5}, connectors.Origin{Stream: "a", Partition: 2, Next: 9}
	ch := make(chan connectors.Record, 2)
	ch <- connectors.Record{Value: []byte("bad")}
	ch <- connectors.Record{Value: []byte("1")}
	close(ch)
	src := originSource{memory.FromChannel("s", ch), []connectors.Origin{a, b}}
	sink := memory.NewSink()
	if _, err := pipeline.Run(bounded(t), nil, src, &fakeJob{gather: 2}, sink, memory.NewSink(), options(4, 4)); err != nil {
		t.Fatal(err)
	}
	got, err := sink.Resume()
	if err != nil || len(got) != 2 || !slices.Contains(got, a) || !slices.Contains(got, b) {
		t.Errorf("the sink is at %v, %v; want %v and %v", got, err, a, b)
	}
}

// originSource gives its records the origins listed.
type originSource struct {
	source  connectors.Source
	origins []connectors.Origin
}

func (s originSource) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	batch, err := s.source.Read(ctx, max)
	for i := range batch {
		batch[i].Origin = s.origins[batch[i].Origin.Offset-1]
	}
	return batch, err
}

func (s originSource) Close(ctx context.Context) error { return s.source.Close(ctx) }

func TestComplaints(t *testing.T) {
	var out bytes.Buffer
	_, err := pipeline.Run(bounded(t), nil, memory.FromSlice("stories", texts("0", "bad")), &fakeJob{}, memory.NewSink(), pipeline.Complaints{W: &out}, options(4, 4))
	if err != nil {
		t.Fatal(err)
	}
	if want := "stories:2: cannot be computed\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestEnveloped(t *testing.T) {
	kept := memory.NewSink()
	dead := pipeline.Enveloped{Sink: kept}
	if _, err := pipeline.Run(bounded(t), nil, memory.FromSlice("stories", texts("bad \"one\"", "bad \xff")), &fakeJob{}, memory.NewSink(), dead, options(4, 4)); err != nil {
		t.Fatal(err)
	}
	wantValues(t, kept.Records(),
		`{"origin":"stories:1","error":"cannot be computed","record":"bad \"one\""}`,
		`{"origin":"stories:2","error":"cannot be computed","record_b64":"YmFkIP8="}`)
	for _, rec := range kept.Records() {
		if !json.Valid(rec.Value) {
			t.Errorf("%s is no JSON", rec.Value)
		}
	}
}

// The writer of complaints may fail, and then nothing is acknowledged.
func TestComplaintsThatCannotBePrinted(t *testing.T) {
	src := memory.FromSlice("s", texts("bad"))
	_, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, memory.NewSink(), pipeline.Complaints{W: closedWriter{}}, options(4, 4))
	if err == nil || acknowledged(src) != 0 {
		t.Errorf("error %v, %d acknowledged", err, acknowledged(src))
	}
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, errors.New("closed") }
