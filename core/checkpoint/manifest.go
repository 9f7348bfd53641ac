package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"unicode/utf8"
)

const (
	manifestName     = "manifest.json"
	optimizerName    = "optimizer.safetensors"
	manifestFormat   = "a3-checkpoint"
	manifestVersion  = 1
	maxManifestBytes = 16 << 20
	maxStep          = 99_999_999 // eight digits, so that names sort as numbers do
)

// Manifest says how a training run came to the state beside it and how it goes on. It
// holds no time, host or path of its own: the same run writes the same bytes.
type Manifest struct {
	Step       int64              `json:"step"` // optimizer steps taken, up to 99,999,999
	Seed       uint64             `json:"seed"`
	Curriculum string             `json:"curriculum"`  // the curriculum's text
	Cursor     json.RawMessage    `json:"cursor"`      // position in the data, as its reader writes it; nil = null
	Offsets    map[string]int64   `json:"offsets"`     // position in each source, by its name
	Losses     map[string]float64 `json:"losses"`      // finite, by name, such as "train"; Retention.Best chooses by one
	Trainer    json.RawMessage    `json:"trainer"`     // the trainer's options, as it writes them; nil = null
	MicroBatch int                `json:"micro_batch"` // size of a micro-batch
	Shards     int                `json:"shards"`      // logical shards of the gradient sum
	Compute    string             `json:"compute"`     // compute type, such as "f32"
	CPULevel   string             `json:"cpu_level"`
	Tool       string             `json:"tool"` // program and version

	// Files and Digest are filled in by Store.Save and Load. Files has the model's
	// configuration, weights and tokenizer and the optimizer's state. Digest is that
	// of the manifest and so, through Files, of everything.
	Files  map[string]FileSum `json:"files"`
	Digest Digest             `json:"-"`
}

// TokenizerDigest returns the digest of tokenizer.json, or false if there is none.
func (m *Manifest) TokenizerDigest() (Digest, bool) {
	sum, ok := m.Files[tokenizerName]
	return sum.SHA256, ok
}

// The digest is the manifest's last member: it covers all bytes before its line.
const (
	digestHead = `  "digest": "`
	digestTail = "\"\n}\n"
	digestSize = len(digestHead) + 2*sha256.Size + len(digestTail)
)

// encode validates the manifest, sets its digest and returns the text.
func (m *Manifest) encode() ([]byte, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	plain := *m
	for _, raw := range []*json.RawMessage{&plain.Cursor, &plain.Trainer} {
		if *raw == nil {
			*raw = json.RawMessage("null")
		}
	}
	if plain.Offsets == nil { // null would not tell whether there are none
		plain.Offsets = map[string]int64{}
	}
	if plain.Losses == nil {
		plain.Losses = map[string]float64{}
	}
	text, err := encodeJSON(struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Manifest
	}{manifestFormat, manifestVersion, plain})
	if err != nil {
		return nil, err
	}
	text = append(bytes.TrimSuffix(text, []byte("\n}\n")), ",\n"...)
	m.Digest = sha256.Sum256(text)
	text = append(text, digestHead+m.Digest.String()+digestTail...)
	if len(text) > maxManifestBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(text), maxManifestBytes)
	}
	return text, nil
}

func (m *Manifest) validate() error {
	if m.Step < 0 || m.Step > maxStep {
		return fmt.Errorf("step: %d, want 0 to %d", m.Step, maxStep)
	}
	if m.MicroBatch < 0 || m.Shards < 0 {
		return fmt.Errorf("micro_batch: %d, shards: %d, want 0 or more", m.MicroBatch, m.Shards)
	}
	for _, key := range sortedKeys(m.Losses) {
		if v := m.Losses[key]; math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("losses: %s is %v: training has diverged", quote(key), v)
		}
	}
	if err := checkRaw(m.Cursor); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	if err := checkRaw(m.Trainer); err != nil {
		return fmt.Errorf("trainer: %w", err)
	}
	texts := []string{m.Curriculum, m.Compute, m.CPULevel, m.Tool}
	texts = append(texts, sortedKeys(m.Offsets)...)
	for _, s := range append(texts, sortedKeys(m.Losses)...) {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%s is not valid UTF-8", quote(s))
		}
	}
	return nil
}

func checkRaw(raw json.RawMessage) error {
	if raw != nil && (!json.Valid(raw) || !utf8.Valid(raw)) {
		return errors.New("not valid JSON")
	}
	if nestedDeeper(raw, maxNesting) {
		return fmt.Errorf("nested deeper than %d levels", maxNesting)
	}
	return nil
}

// parseManifest checks the digest, then the content. A newer version is ErrVersion.
func parseManifest(text []byte) (*Manifest, error) {
	head, digest, err := splitDigest(text)
	if err != nil {
		return nil, err
	}
	if got := Digest(sha256.Sum256(head)); got != digest {
		return nil, fmt.Errorf("digest: %s, but the text has %s: it was changed", digest, got)
	}
	m := &Manifest{Digest: digest}
	f := newFields(text)
	delete(f.rest, "digest") // checked above
	format, version := "", 0
	if need(f, "format", &format); format != manifestFormat {
		f.fail("format", "%s, want %q", quote(format), manifestFormat)
	}
	if need(f, "version", &version); version > manifestVersion {
		f.fail("version", "%d, this program reads %d: %w", version, manifestVersion, ErrVersion)
	} else if version < 1 {
		f.fail("version", "%d, want %d", version, manifestVersion)
	}
	need(f, "step", &m.Step)
	need(f, "seed", &m.Seed)
	need(f, "curriculum", &m.Curriculum)
	m.Cursor = takeRaw(f, "cursor")
	need(f, "offsets", &m.Offsets)
	need(f, "losses", &m.Losses)
	m.Trainer = takeRaw(f, "trainer")
	need(f, "micro_batch", &m.MicroBatch)
	need(f, "shards", &m.Shards)
	need(f, "compute", &m.Compute)
	need(f, "cpu_level", &m.CPULevel)
	need(f, "tool", &m.Tool)
	need(f, "files", &m.Files)
	if err := f.done(); err != nil {
		return nil, err
	}
	return m, errors.Join(m.validate(), m.checkFiles())
}

// splitDigest returns the text that the digest covers, and the digest.
func splitDigest(text []byte) ([]byte, Digest, error) {
	var d Digest
	at := len(text) - digestSize
	if at < 0 {
		return nil, d, errors.New("digest: is missing: the text is cut off")
	}
	line := text[at:]
	digits, ok := bytes.CutPrefix(line, []byte(digestHead))
	digits, ok2 := bytes.CutSuffix(digits, []byte(digestTail))
	if !ok || !ok2 {
		return nil, d, errors.New("digest: is not the last line: the text is cut off or was changed")
	}
	_, err := hex.Decode(d[:], digits)
	if err != nil || d.String() != string(digits) {
		return nil, d, errors.New("digest: want 64 lower-case hexadecimal digits")
	}
	return text[:at], d, nil
}

// takeRaw returns a value as it stands, without white space; null is nil.
func takeRaw(f *fields, key string) json.RawMessage {
	raw, ok := f.rest[key]
	delete(f.rest, key)
	if !ok {
		f.fail(key, "is missing")
	}
	if !ok || isNull(raw) {
		return nil
	}
	var out bytes.Buffer
	json.Compact(&out, raw) // raw is valid: it was decoded before
	return out.Bytes()
}

// checkFiles wants exactly the files that a checkpoint consists of.
func (m *Manifest) checkFiles() error {
	rest := maps.Clone(m.Files)
	for _, name := range []string{configName, weightsName, optimizerName} {
		if _, ok := rest[name]; !ok {
			return fmt.Errorf("files: %s is missing", name)
		}
		delete(rest, name)
	}
	delete(rest, tokenizerName)
	for _, name := range sortedKeys(rest) {
		return fmt.Errorf("files: %s does not belong to a checkpoint", quote(name))
	}
	for name, sum := range m.Files {
		if sum.Size < 0 {
			return fmt.Errorf("files: %s: size: %d, want 0 or more", name, sum.Size)
		}
	}
	return nil
}
