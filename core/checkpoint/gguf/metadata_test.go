package gguf

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
)

// Values of every type, as the reference implementation wrote them.
func TestMetadata(t *testing.T) {
	m := openGolden(t).Metadata()
	for key, want := range map[string]int64{
		"a.uint8": 200, "a.int8": -100, "a.uint16": 60000, "a.int16": -30000,
		"a.uint32": 4000000000, "a.int32": -2000000000, "a.int64": -(1 << 62),
	} {
		if got, err := m.Int(key); got != want || err != nil {
			t.Errorf("%s is %d, %v, want %d", key, got, err, want)
		}
	}
	for key, want := range map[string]float64{"a.float32": float64(float32(0.1)), "a.float64": 0.1} {
		if got, err := m.Float(key); got != want || err != nil {
			t.Errorf("%s is %v, %v, want %v", key, got, err, want)
		}
	}
	if got, err := m.Bool("a.bool"); !got || err != nil {
		t.Errorf("a.bool is %v, %v", got, err)
	}
	if got, err := m.String("a.string"); got != "é▁" || err != nil {
		t.Errorf("a.string is %q, %v", got, err)
	}
	if got, err := m.Strings("a.strings"); !slices.Equal(got, []string{"a", "", "bé"}) || err != nil {
		t.Errorf("a.strings is %q, %v", got, err)
	}
	if got, err := m.Float32s("a.floats"); !slices.Equal(got, []float32{0.5, -1.25}) || err != nil {
		t.Errorf("a.floats is %v, %v", got, err)
	}
	if got, err := m.Int32s("a.ints"); !slices.Equal(got, []int32{-1, 2, 3}) || err != nil {
		t.Errorf("a.ints is %v, %v", got, err)
	}
	if got, err := m.Len("a.strings"); got != 3 || err != nil {
		t.Errorf("a.strings has %d elements, %v", got, err)
	}
	if keys := m.Keys(); !slices.IsSorted(keys) || !slices.Contains(keys, "general.architecture") || !m.Has("a.bool") || m.Has("a.x") {
		t.Errorf("keys %q", keys)
	}
}

func TestMetadataRefuses(t *testing.T) {
	f, err := Parse(gguftest.New().
		Key("text", gguftest.String, gguftest.Str("x")).
		Key("big", gguftest.Uint64, gguftest.U64(1<<63)).
		Key("bool", gguftest.Bool, []byte{2}).
		Key("wide", gguftest.Array, gguftest.U32(gguftest.Int64), gguftest.U64(2), gguftest.U64(1), gguftest.U64(1<<40)).
		File(nil))
	if err != nil {
		t.Fatal(err)
	}
	m := f.Metadata()
	if _, err := m.String("none"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key that is not there: error %v", err)
	}
	for _, c := range []struct {
		get  func() error
		want string
	}{
		{func() error { _, err := m.Int("text"); return err }, `key "text": want an integer, the file has a string`},
		{func() error { _, err := m.Strings("text"); return err }, `key "text": want an array of strings, the file has a string`},
		{func() error { _, err := m.String("wide"); return err }, `key "wide": want a string, the file has an array of 2 int64`},
		{func() error { _, err := m.Len("text"); return err }, `key "text": want an array, the file has a string`},
		{func() error { _, err := m.Int("big"); return err }, `key "big": the integer exceeds`},
		{func() error { _, err := m.Bool("bool"); return err }, `key "bool": the bool is 2`},
		{func() error { _, err := m.Int32s("wide"); return err }, `key "wide": element 1 exceeds 32 bits`},
		{func() error { _, err := m.Float("big"); return err }, `key "big": want a float, the file has a uint64`},
	} {
		if err := c.get(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q in it", err, c.want)
		}
	}
}
