package checkpoint

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

func newManifest() Manifest {
	return Manifest{
		Step:       1200,
		Seed:       math.MaxUint64,
		Curriculum: "ltr:100\nblocks:200",
		Cursor:     json.RawMessage(`{"epoch":1,"big":12345678901234567890,"tag":"<&>"}`),
		Offsets:    map[string]int64{"docs/0": 17, "docs/1": math.MaxInt64, "new": -1},
		Losses:     map[string]float64{"train": 2.125, "tiny": 5e-324},
		Trainer:    json.RawMessage(`{"lr":0.001}`),
		MicroBatch: 8,
		Shards:     4,
		Compute:    "f32",
		CPULevel:   "avx2",
		Tool:       "a3 v0.1.0",
		Files: map[string]FileSum{
			"config.json":           {Size: 10, SHA256: Digest{1}},
			"model.safetensors":     {Size: 20, SHA256: Digest{2}},
			"optimizer.safetensors": {Size: 30, SHA256: Digest{3}},
			"tokenizer.json":        {Size: 40, SHA256: Digest{4}},
		},
	}
}

func encodeManifest(t *testing.T, m *Manifest) []byte {
	t.Helper()
	text, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestManifestRoundTrip(t *testing.T) {
	want := newManifest()
	text := encodeManifest(t, &want)
	got, err := parseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("got %+v\nwant %+v", got, &want)
	}
	if d, ok := got.TokenizerDigest(); !ok || d != (Digest{4}) {
		t.Errorf("tokenizer digest is %v, %v", d, ok)
	}
	if again := encodeManifest(t, got); string(again) != string(text) {
		t.Errorf("written as\n%s\nand then as\n%s", text, again)
	}
	if !json.Valid(text) {
		t.Errorf("not JSON:\n%s", text)
	}
	head, _, _ := strings.Cut(string(text), "  \"digest\"")
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(head))); got.Digest.String() != want {
		t.Errorf("digest is %s, that of the lines before is %s", got.Digest, want)
	}
}

func TestManifestOfNothing(t *testing.T) {
	m := Manifest{Files: newManifest().Files}
	got, err := parseManifest(encodeManifest(t, &m))
	if err != nil {
		t.Fatal(err)
	}
	if got.Cursor != nil || got.Trainer != nil || len(got.Offsets)+len(got.Losses) != 0 {
		t.Errorf("got %+v", got)
	}
}

// No bit of a manifest can change, and no byte be lost, unnoticed.
func TestManifestDamage(t *testing.T) {
	m := newManifest()
	text := encodeManifest(t, &m)
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			if _, err := parseManifest(text); err == nil {
				t.Fatalf("bit %d of byte %d (%q) can be flipped", bit, i, text[i])
			}
			text[i] ^= 1 << bit
		}
		if _, err := parseManifest(text[:i]); err == nil {
			t.Fatalf("the first %d bytes are accepted", i)
		}
	}
}

// signed replaces a part of a valid manifest and signs the result again.
func signed(t *testing.T, old, new string) []byte {
	t.Helper()
	m := newManifest()
	text := string(encodeManifest(t, &m))
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not once in the manifest", old)
	}
	head := strings.Replace(text[:len(text)-digestSize], old, new, 1)
	return fmt.Appendf(nil, "%s%s%x%s", head, digestHead, sha256.Sum256([]byte(head)), digestTail)
}

func TestManifestRefuses(t *testing.T) {
	if _, err := parseManifest(signed(t, `"seed"`, `"seed"`)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"a3-checkpoint"`, `"other"`, `format: "other", want "a3-checkpoint"`},
		{`"version": 1`, `"version": 0`, "version: 0, want 1"},
		{`"version": 1`, `"version": "1"`, "version: want int"},
		{`"version": 1,`, ``, "version: is missing"},
		{`"step": 1200`, `"step": -1`, "step: -1, want 0 to"},
		{`"step": 1200`, `"step": 100000000`, "step: 100000000"},
		{`"step": 1200`, `"step": 1200, "step": 1300`, `"step" occurs twice`},
		{`"step": 1200`, `"step": 1200, "stap": 1`, `unknown field "stap"`},
		{`"seed": 18446744073709551615`, `"seed": 18446744073709551616`, "seed: want uint64"},
		{`"seed": 18446744073709551615`, `"seed": null`, "seed: is missing"},
		{`"new": -1`, `"new": null`, "offsets: null"},
		{`"new": -1`, `"new": 1.5`, "offsets: want int64"},
		{`"shards": 4`, `"shards": -4`, "shards: -4"},
		{`"cursor": {`, `"curser": {`, "cursor: is missing"},
		{`"config.json": {`, `"config.yaml": {`, "files: config.json is missing"},
		{`"tokenizer.json": {`, `"../../tokenizer.json": {`, `files: "../../tokenizer.json" does not belong`},
		{`"size": 30`, `"size": -30`, "size: -30"},
		{`"size": 30,`, `"size": 30, "mode": 1,`, "unknown field"},
		{`"sha256": "03`, `"sha256": "3`, "64 hexadecimal digits"},
		{`"sha256": "03`, `"sha256": "zz`, "invalid byte"},
	} {
		_, err := parseManifest(signed(t, c.old, c.new))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.new, err, c.want)
		}
	}
	if _, err := parseManifest(signed(t, `"version": 1`, `"version": 2`)); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer version: error %v, want ErrVersion", err)
	}
}

func TestEncodeManifestRefuses(t *testing.T) {
	for _, c := range []struct {
		change func(m *Manifest)
		want   string
	}{
		{func(m *Manifest) { m.Step = -1 }, "step: -1"},
		{func(m *Manifest) { m.Step = maxStep + 1 }, "step: 100000000"},
		{func(m *Manifest) { m.Losses["train"] = math.NaN() }, `losses: "train" is NaN`},
		{func(m *Manifest) { m.Losses["train"] = math.Inf(1) }, `losses: "train" is +Inf`},
		{func(m *Manifest) { m.Cursor = json.RawMessage(`{`) }, "cursor: not valid JSON"},
		{func(m *Manifest) { m.Trainer = json.RawMessage(``) }, "trainer: not valid JSON"},
		{func(m *Manifest) { m.Trainer = json.RawMessage(strings.Repeat("[", 70) + strings.Repeat("]", 70)) }, "trainer: nested deeper"},
		{func(m *Manifest) { m.Curriculum = "\xff" }, "not valid UTF-8"},
		{func(m *Manifest) { m.Offsets["\xff"] = 1 }, "not valid UTF-8"},
		{func(m *Manifest) { m.Curriculum = strings.Repeat("x", maxManifestBytes) }, "at most"},
	} {
		m := newManifest()
		c.change(&m)
		if _, err := m.encode(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}
