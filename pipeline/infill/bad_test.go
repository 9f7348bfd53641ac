package infill_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/infilltest"
	"github.com/any-order/a3/pipeline/infill/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	badRecords = "../testdata/bad.jsonl"
	badGolden  = "../testdata/bad.golden"
)

// Every kind of bad record has a message that a user can act on. Read the golden
// file as that user: go test ./pipeline/infill -run BadRecords -update.
func TestBadRecords(t *testing.T) {
	opts := infill.DefaultOptions()
	opts.MaxText, opts.MaxBlanks = 200, 3
	tok := infilltest.New()
	codec := newCodec(t, tok, 64)

	var got bytes.Buffer
	for i, raw := range readLines(t, badRecords) {
		doc, err := infill.Parse(raw, opts)
		if err == nil {
			_, err = codec.Encode(tok, doc)
		}
		var bad *record.Error
		if !errors.As(err, &bad) {
			t.Errorf("%s:%d: error %v (%T), want one that says the record is bad", badRecords, i+1, err, err)
		}
		fmt.Fprintf(&got, "%d: %v\n", i+1, err)
	}
	if *update {
		if err := os.WriteFile(badGolden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(badGolden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("messages differ from %s; got:\n%s", badGolden, &got)
	}
}

func newCodec(t testing.TB, tok infill.Tokenizer, context int) *infill.Codec {
	t.Helper()
	codec, err := infill.NewCodec(tok, context)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func readLines(t testing.TB, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}
