package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
)

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if names, err := filepath.Glob(filepath.Join(to, "*.a3-journal")); err != nil || len(names) == 0 {
		t.Fatalf("nothing was copied: %v", err)
	}
}

// transactor keeps what was transacted, and rejects records that are over a size.
type transactor struct {
	most             int
	outputs, letters []connectors.Record
	calls            []string
}

func (x *transactor) Transact(_ context.Context, outcomes []connectors.Outcome) error {
	failed := map[int]error{}
	call := ""
	for i, o := range outcomes {
		for _, rec := range []*connectors.Record{o.Output, o.Letter} {
			if rec != nil && len(rec.Value) > x.most {
				failed[i] = fmt.Errorf("%w: too large", connectors.ErrRejected)
			}
		}
	}
	if len(failed) > 0 {
		return &connectors.ItemError{Failed: failed}
	}
	for _, o := range outcomes {
		if o.Delivery.Taken() {
			continue
		}
		if o.Output != nil {
			x.outputs = append(x.outputs, *o.Output)
		}
		if o.Letter != nil {
			x.letters = append(x.letters, *o.Letter)
		}
		o.Delivery.Settle(nil)
		call += string(o.Delivery.Value) + " "
	}
	x.calls = append(x.calls, strings.TrimSpace(call))
	return nil
}

func (x *transactor) Close(context.Context) error { return nil }

func TestTransactions(t *testing.T) {
	long := strings.Repeat("x", 50) // its output is too large, its dead letter is not
	longer := "bad" + strings.Repeat("x", 60)
	src := memory.FromSlice("s", texts("0", "bad", "2", "gone", long, longer, "6"))
	x := &transactor{most: 51}
	o := options(8, 3)
	o.Transactor = x
	counts, err := pipeline.Run(bounded(t), nil, taken{src, []string{"gone"}}, &fakeJob{gather: 7}, nil, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, x.outputs, "<0>", "<2>", "<6>")
	wantValues(t, x.letters, "bad", long, "")
	omitted := x.letters[2].Headers
	if last := omitted[len(omitted)-1]; last.Name != pipeline.HeaderOmitted || string(last.Value) != "63" || x.letters[2].Value == nil {
		t.Errorf("a letter without its value: %+v", x.letters[2])
	}
	if stage := x.letters[1].Headers[1]; !bytes.Equal(stage.Value, []byte("write")) {
		t.Errorf("stage %s", stage.Value)
	}
	if counts.Written != 3 || counts.Failed != 3 || counts.Taken != 1 || counts.Read != 7 {
		t.Errorf("counts %+v", counts)
	}
	if len(x.calls) != 3 || x.calls[0] != "0 bad 2" {
		t.Errorf("transactions %q", x.calls)
	}
}

// A letter that nothing makes small enough ends the run: it may not get lost.
func TestLetterThatIsRejectedForEver(t *testing.T) {
	o := options(8, 3)
	o.Transactor = &transactor{most: -1}
	src := memory.FromSlice("s", texts("0"))
	if _, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, nil, nil, o); !errors.Is(err, connectors.ErrRejected) || acknowledged(src) != 0 {
		t.Errorf("error %v, %d acknowledged", err, acknowledged(src))
	}
	rejecting := &fakeSink{Sink: memory.NewSink(), fail: func([]connectors.Record) error {
		return &connectors.ItemError{Failed: map[int]error{0: connectors.ErrRejected}}
	}}
	src = memory.FromSlice("s", texts("bad"))
	if _, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, memory.NewSink(), rejecting, options(8, 3)); !errors.Is(err, connectors.ErrRejected) || acknowledged(src) != 0 {
		t.Errorf("error %v, %d acknowledged", err, acknowledged(src))
	}
}
