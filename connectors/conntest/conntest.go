// Package conntest is the suite that every connector passes. A connector's test
// calls RunSource and RunSink with a few functions that say how to fill an input,
// how to open it again as a restarted worker would, and how to look at an output;
// the suite checks the rules written at connectors.Source and connectors.Sink by
// what can be seen from outside: which records come again, and which do not.
package conntest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/any-order/a3/connectors"
)

// patience bounds every wait of the suite. It is no measure of speed: only a
// connector that hangs meets it.
const patience = 60 * time.Second

// bounded returns a context that ends with the test or when patience is over.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// values makes n distinct record values without line breaks. Some are long, some
// are not UTF-8: connectors carry bytes.
func values(n int) []string {
	out := make([]string, n)
	for i := range out {
		switch i % 5 {
		case 3:
			out[i] = fmt.Sprintf("record %d \xff\xfe \x00 not text", i)
		case 4:
			out[i] = fmt.Sprintf("record %d %070000d", i, i)
		default:
			out[i] = fmt.Sprintf(`{"id":"%d","text":"über {{blank:2}}"}`, i)
		}
	}
	return out
}

// drain reads to the end of the input in reads of at most max.
func drain(t *testing.T, src connectors.Source, max int) []connectors.Delivery {
	t.Helper()
	ctx := bounded(t)
	var all []connectors.Delivery
	for {
		ds, err := src.Read(ctx, max)
		if errors.Is(err, io.EOF) {
			if len(ds) != 0 {
				t.Fatalf("Read returned %d records together with io.EOF", len(ds))
			}
			return all
		}
		if err != nil {
			t.Fatalf("Read after %d records: %v", len(all), err)
		}
		checkBatch(t, ds, max)
		all = append(all, ds...)
	}
}

// take reads exactly n records, or fails.
func take(t *testing.T, src connectors.Source, n int) []connectors.Delivery {
	t.Helper()
	ctx := bounded(t)
	var all []connectors.Delivery
	for len(all) < n {
		ds, err := src.Read(ctx, n-len(all))
		if err != nil {
			t.Fatalf("Read after %d of %d records: %v", len(all), n, err)
		}
		checkBatch(t, ds, n-len(all))
		all = append(all, ds...)
	}
	return all
}

func checkBatch(t *testing.T, ds []connectors.Delivery, max int) {
	t.Helper()
	if len(ds) == 0 || len(ds) > max {
		t.Fatalf("Read returned %d records, want 1 to %d", len(ds), max)
	}
	for _, d := range ds {
		if d.Settle == nil {
			t.Fatalf("record %v has no Settle", d.Origin)
		}
		if d.Err != nil {
			t.Fatalf("record %v: %v", d.Origin, d.Err)
		}
	}
}

// settle calls Settle(nil) of each.
func settle(ds []connectors.Delivery) {
	for _, d := range ds {
		d.Settle(nil)
	}
}

// wantValues compares and shows the first difference, cut short.
func wantValues(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: %d records, want %d; record %d is %.60q, want %.60q", what, len(got), len(want), i, got[i], want[i])
		}
	}
	t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
}

func valuesOf(ds []connectors.Delivery) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = string(d.Value)
	}
	return out
}

// closeNow closes and fails the test on an error.
func closeNow(t *testing.T, c interface{ Close(context.Context) error }) {
	t.Helper()
	if err := c.Close(bounded(t)); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// within runs f in a goroutine and returns its error, failing the test when it
// does not come back.
func within(t *testing.T, what string, f func() error) (wait func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	return func() error {
		t.Helper()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Fatalf("%s does not return", what)
			return nil
		}
	}
}
