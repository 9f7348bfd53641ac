package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/rows"
)

// parcel is a record of several documents.
func parcel(t *testing.T, texts ...string) connectors.Record {
	t.Helper()
	objects := make([][]byte, len(texts))
	for i, text := range texts {
		objects[i] = fmt.Appendf(nil, `{"text":%q}`, text)
	}
	value, err := rows.Join(objects)
	if err != nil {
		t.Fatal(err)
	}
	return connectors.Record{Key: []byte("k"), Value: value, Headers: []connectors.Header{
		{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeArrow)}, {Name: "h", Value: []byte("1")}}}
}

// reader is a job over JSON documents: {"text":"x"} becomes {"out":"x"}. Texts that begin
// with bad fail in Compute, with worse in Prepare. It hands on what it has the last first, in
// groups of gather. A text "slow" waits for the gate.
type reader struct {
	gather int
	gate   chan struct{}
}

func (j *reader) Prepare(item *pipeline.Item) {
	var doc struct{ Text string }
	if item.Err = json.Unmarshal(item.Delivery.Value, &doc); item.Err == nil && strings.HasPrefix(doc.Text, "worse") {
		item.Err = errors.New("cannot be prepared")
	}
	item.Task = doc.Text
}

func (j *reader) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	var held []*pipeline.Item
	flush := func() error {
		for _, item := range slices.Backward(held) {
			text := item.Task.(string)
			if text == "slow" {
				select {
				case <-j.gate:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if strings.HasPrefix(text, "bad") {
				item.Err = errors.New("cannot be computed")
			} else {
				item.Output = fmt.Appendf(nil, `{"out":%q}`, text)
			}
			if err := done(item); err != nil {
				return err
			}
		}
		held = held[:0]
		return nil
	}
	for {
		select {
		case item, ok := <-in:
			if !ok {
				return flush()
			}
			if held = append(held, item); len(held) >= j.gather {
				if err := flush(); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func header(rec connectors.Record, name string) string {
	for _, h := range rec.Headers {
		if h.Name == name {
			return string(h.Value)
		}
	}
	return ""
}

// rowsIn reads an output record of rows.
func rowsIn(t *testing.T, rec connectors.Record) string {
	t.Helper()
	list, err := rows.Split(rec.Value, rows.DefaultLimits())
	if err != nil || !rec.IsArrow() {
		t.Fatalf("output %v is no Arrow stream: %v", rec.Origin, err)
	}
	var out []string
	for _, r := range list {
		out = append(out, string(r.JSON))
	}
	return strings.Join(out, " ")
}

// Each row is a document of its own: its result names it, its failure leaves its neighbours
// alone, and the dead letter is the record, naming the rows.
func TestRowsOfARecord(t *testing.T) {
	broken := parcel(t, "x")
	broken.Value = broken.Value[:len(broken.Value)-20]
	mixed := parcel(t, "a", "bad 2", "c", "worse 4", "worse 5")
	src := memory.FromSlice("s", []connectors.Record{mixed, {Value: []byte(`{"text":"alone"}`)}, broken, parcel(t), parcel(t, "y", "z")})
	sink, dead := memory.NewSink(), memory.NewSink()
	counts, err := pipeline.Run(bounded(t), nil, src, &reader{gather: 3}, sink, dead, options(8, 3))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Records(), `{"out":"a"}`, `{"out":"c"}`, `{"out":"alone"}`, `{"out":"y"}`, `{"out":"z"}`)
	var origins []string
	for _, rec := range sink.Records() {
		origins = append(origins, rec.Origin.String())
		if rec.Origin.Row > 0 && (string(rec.Key) != "k" || header(rec, "h") != "1" || header(rec, connectors.HeaderContentType) != "") {
			t.Errorf("row %v has key %q and headers %v", rec.Origin, rec.Key, rec.Headers)
		}
	}
	if want := []string{"s:1#1", "s:1#3", "s:2", "s:5#1", "s:5#2"}; !slices.Equal(origins, want) {
		t.Errorf("origins %v, want %v", origins, want)
	}
	letters := dead.Records()
	if len(letters) != 2 {
		t.Fatalf("%d dead letters: %v", len(letters), letters)
	}
	first := letters[0]
	if string(first.Value) != string(mixed.Value) || !first.IsArrow() || string(first.Key) != "k" {
		t.Error("the dead letter is not the record as it was")
	}
	for name, want := range map[string]string{
		pipeline.HeaderOrigin: "s:1", pipeline.HeaderRows: "2,4-5", pipeline.HeaderStage: "compute",
		pipeline.HeaderError: "row 2: cannot be computed; row 4: cannot be prepared; row 5: cannot be prepared",
	} {
		if got := header(first, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := header(letters[1], pipeline.HeaderError); header(letters[1], pipeline.HeaderOrigin) != "s:3" || !strings.Contains(got, "not an Arrow IPC stream") || header(letters[1], pipeline.HeaderRows) != "" {
		t.Errorf("the letter of a damaged stream: %v", letters[1].Headers)
	}
	if counts.Read != 10 || counts.Written != 5 || counts.Failed != 4 || counts.Dropped != 1 || acknowledged(src) != 5 {
		t.Errorf("counts %+v, %d acknowledged", counts, acknowledged(src))
	}
}

// A record is done when its last row is: its rows stand in one write, though it is of fewer
// records, and nothing of it or behind it is acknowledged before.
func TestRowsLeaveTogether(t *testing.T) {
	var texts []string
	for i := range 50 {
		texts = append(texts, fmt.Sprint("t", i))
	}
	texts[20] = "slow"
	src := memory.FromSlice("s", []connectors.Record{parcel(t, "before"), parcel(t, texts...), parcel(t, "behind", "it")})
	gate, behind := make(chan struct{}), make(chan struct{})
	var notes diary
	var once sync.Once
	sink := &fakeSink{Sink: memory.NewSink(), fail: func(batch []connectors.Record) error {
		notes.add(fmt.Sprint(len(batch)))
		if string(batch[0].Value) == `{"out":"before"}` {
			once.Do(func() { close(behind) })
		}
		return nil
	}}
	go func() {
		<-behind
		notes.add(fmt.Sprint("acknowledged at most 1: ", acknowledged(src) <= 1))
		close(gate)
	}()
	// A window of two records, and batches of two, hold a record of fifty rows all the same.
	if _, err := pipeline.Run(bounded(t), nil, src, &reader{gather: 1, gate: gate}, sink, memory.NewSink(), options(2, 2)); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(notes.all(), ", "), "1, acknowledged at most 1: true, 50, 2"; got != want {
		t.Errorf("writes %s, want %s", got, want)
	}
	if acknowledged(src) != 3 {
		t.Errorf("%d acknowledged", acknowledged(src))
	}
}

// When a run is cancelled in the middle of a record, nothing of it is written or settled.
func TestCancelledAmongRows(t *testing.T) {
	src := memory.FromSlice("s", []connectors.Record{parcel(t, "a", "b"), parcel(t, "c", "slow", "e"), parcel(t, "f")})
	sink := memory.NewSink()
	ctx, cancel := context.WithCancel(bounded(t))
	o := options(8, 2)
	o.Report = func(c pipeline.Counts) {
		if c.Written == 2 {
			cancel()
		}
	}
	_, err := pipeline.Run(ctx, nil, src, &reader{gather: 1, gate: make(chan struct{})}, sink, memory.NewSink(), o)
	if !errors.Is(err, context.Canceled) || acknowledged(src) != 1 {
		t.Errorf("error %v, %d acknowledged", err, acknowledged(src))
	}
	wantValues(t, sink.Records(), `{"out":"a"}`, `{"out":"b"}`)
}

// Results may be rows again: one record for each of the input.
func TestArrowOutput(t *testing.T) {
	for _, once := range []bool{false, true} {
		in := []connectors.Record{parcel(t, "a", "bad", "c"), {Value: []byte(`{"text":"alone"}`)}, parcel(t, "worse")}
		src, sink, dead := memory.FromSlice("s", in), memory.NewSink(), memory.NewSink()
		x := &transactor{most: 1 << 20}
		o := options(8, 10)
		o.Arrow = true
		if once {
			o.Transactor = x
		}
		if _, err := pipeline.Run(bounded(t), nil, src, &reader{}, sink, dead, o); err != nil {
			t.Fatal(err)
		}
		out, letters := sink.Records(), dead.Records()
		if once {
			out, letters = x.outputs, x.letters
		}
		if len(out) != 2 || len(letters) != 2 {
			t.Fatalf("%d outputs and %d letters", len(out), len(letters))
		}
		if got := rowsIn(t, out[0]) + ", " + rowsIn(t, out[1]); got != `{"out":"a"} {"out":"c"}, {"out":"alone"}` || out[0].Origin.String() != "s:1" {
			t.Errorf("outputs %s of %v", got, out[0].Origin)
		}
		if header(letters[0], pipeline.HeaderRows) != "2" || string(letters[1].Value) != string(in[2].Value) {
			t.Errorf("letters %v", letters)
		}
		if acknowledged(src) != 3 {
			t.Errorf("%d acknowledged", acknowledged(src))
		}
	}
}

// A result that the output refuses costs its row alone; where results are rows of one
// record, all of these.
func TestRejectedRows(t *testing.T) {
	for _, arrow := range []bool{false, true} {
		long := strings.Repeat("x", 3000)
		in := parcel(t, "a", long, "c")
		x := &transactor{most: len(in.Value)} // letters pass
		if !arrow {
			x.most = 2000
		}
		o := options(8, 10)
		o.Arrow, o.Transactor = arrow, x
		src := memory.FromSlice("s", []connectors.Record{in, parcel(t, "d")})
		if arrow {
			x.most = 1500
		}
		if _, err := pipeline.Run(bounded(t), nil, src, &reader{}, nil, nil, o); err != nil {
			t.Fatal(err)
		}
		wantRows, wantOut := "2", 3
		if arrow {
			wantRows, wantOut = "1-3", 1
		}
		if len(x.letters) != 1 || header(x.letters[0], pipeline.HeaderRows) != wantRows || header(x.letters[0], pipeline.HeaderOmitted) == "" || len(x.outputs) != wantOut {
			t.Errorf("arrow %v: letters %v, %d outputs", arrow, x.letters, len(x.outputs))
		}
		if acknowledged(src) != 2 {
			t.Errorf("%d acknowledged", acknowledged(src))
		}
	}
}

// The journal knows rows: a worker that comes back computes none of them again.
func TestRowsAreRecalled(t *testing.T) {
	dir := t.TempDir()
	in := []connectors.Record{parcel(t, "a", "b", "bad", "d")}
	for life := range 2 {
		j := openJournal(t, dir)
		o := options(8, 10)
		o.Journal, o.Run = j, "run"
		sink := memory.NewSink()
		counts, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", in), &reader{}, sink, memory.NewSink(), o)
		if err := errors.Join(err, j.Close()); err != nil {
			t.Fatal(err)
		}
		wantValues(t, sink.Records(), `{"out":"a"}`, `{"out":"b"}`, `{"out":"d"}`)
		if counts.Recalled != 3*life || counts.Failed != 1 {
			t.Errorf("life %d: counts %+v", life, counts)
		}
	}
}
