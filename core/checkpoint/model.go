package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// QueryEmbed is the name of the tensor that plain Llama checkpoints lack: what every row
// of the query stream begins with.
const QueryEmbed = "model.query_embed"

// The other files of a model directory.
const (
	configName    = "config.json"
	tokenizerName = "tokenizer.json"
	cardName      = "card.md"
)

const (
	maxTokenizerBytes = 256 << 20
	maxCardBytes      = 1 << 20
)

// Model is an open model directory.
type Model struct {
	Config    *LlamaConfig
	Weights   *File
	Tokenizer []byte        // content of tokenizer.json; nil if there is none
	Card      string        // content of card.md; empty if there is none
	History   []TrainingRun // from training.json, the oldest first; nil if there is none

	configText []byte // as it was read: the digest covers bytes, not meaning
	indexText  []byte // of a sharded model
}

// OpenModel opens a directory that holds config.json, model.safetensors (or shards
// with their index) and, optionally, tokenizer.json, training.json and card.md.
func OpenModel(dir string) (*Model, error) {
	m, err := openModel(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	return m, nil
}

// OpenModelFS is OpenModel for any file system, such as an embedded one.
func OpenModelFS(fsys fs.FS) (*Model, error) {
	m, err := openModel(fsys)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	return m, nil
}

func openModel(fsys fs.FS) (*Model, error) {
	m := new(Model)
	var err error
	if m.configText, err = readCapped(fsys, configName, maxConfigBytes); err != nil {
		return nil, err
	}
	if m.Config, err = ParseConfig(m.configText); err != nil {
		return nil, err
	}
	if m.Tokenizer, err = readOptional(fsys, tokenizerName, maxTokenizerBytes); err != nil {
		return nil, err
	}
	card, err := readOptional(fsys, cardName, maxCardBytes)
	if err != nil {
		return nil, err
	}
	m.Card = string(card)
	history, err := readOptional(fsys, historyName, maxHistoryBytes)
	if err != nil {
		return nil, err
	}
	if history != nil {
		if m.History, err = parseHistory(history); err != nil {
			return nil, err
		}
	}
	if m.Weights, err = openWeights(fsys); err != nil {
		return nil, err
	}
	if !m.single() {
		if m.indexText, err = readCapped(fsys, indexName, maxIndexBytes); err != nil {
			m.Close()
			return nil, err
		}
	}
	if err := m.addQuery(fsys); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// addQuery joins the query embedding to the weights, if it has a file of its own.
func (m *Model) addQuery(fsys fs.FS) error {
	name := m.Config.QueryFile
	if name == "" {
		return nil
	}
	if err := m.Weights.addShard(fsys, name, map[string]bool{QueryEmbed: true}); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	m.Weights.names = sortedKeys(m.Weights.tensors)
	m.Config.QueryFile = ""
	return nil
}

// readOptional returns nil for a file that does not exist and never nil for one that does.
func readOptional(fsys fs.FS, name string, limit int64) ([]byte, error) {
	b, err := readCapped(fsys, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// single reports whether the weights are one file rather than shards.
func (m *Model) single() bool {
	return len(m.Weights.shards) > 0 && m.Weights.shards[0].name == weightsName
}

// Close releases the weights.
func (m *Model) Close() error { return m.Weights.Close() }

// Digest identifies the model: the SHA-256 of what
//
//	sha256sum config.json model.safetensors tokenizer.json
//
// prints in the directory, with files that are not there left out. Of a sharded model
// the shards stand in the place of model.safetensors, sorted by name, followed by
// model.safetensors.index.json. The file of a query embedding follows the weights. It
// reads all weights once.
func (m *Model) Digest(ctx context.Context) (Digest, error) {
	var list bytes.Buffer
	line := func(name string, d Digest) { fmt.Fprintf(&list, "%s  %s\n", d, name) }
	line(configName, sha256.Sum256(m.configText))
	for _, s := range m.Weights.shards {
		d, err := digestOf(ctx, s, s.Size())
		if err != nil {
			return Digest{}, fmt.Errorf("digest of %s: %w", s.name, err)
		}
		line(s.name, d)
	}
	if !m.single() {
		line(indexName, sha256.Sum256(m.indexText))
	}
	if m.Tokenizer != nil {
		line(tokenizerName, sha256.Sum256(m.Tokenizer))
	}
	return sha256.Sum256(list.Bytes()), nil
}

// NewModel is a model to be written.
type NewModel struct {
	Config    *LlamaConfig
	Weights   []Tensor
	Tokenizer []byte        // content of tokenizer.json; nil writes none
	Card      string        // content of card.md; empty writes none
	History   []TrainingRun // for training.json, the oldest first; none writes none

	// Files are others, by their names, that other programs want beside those.
	Files map[string][]byte
}

// WriteModel writes a model directory whole or not at all. dir must not exist, its
// parent must.
func WriteModel(ctx context.Context, dir string, m NewModel) error {
	if err := writeModel(ctx, osDisk{}, filepath.Clean(dir), m); err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	return nil
}

func writeModel(ctx context.Context, d disk, dir string, m NewModel) error {
	if _, err := os.Lstat(dir); err == nil { // said before the work, and again by publish
		return fmt.Errorf("%w: choose another directory or remove it", fs.ErrExist)
	}
	aside, err := newAsideDir(d, filepath.Join(filepath.Dir(dir), ".writing-"+filepath.Base(dir)))
	if err != nil {
		return err
	}
	if err := m.addTo(ctx, aside); err != nil {
		return aside.discard(err)
	}
	if err := aside.publish(dir); err != nil {
		return aside.discard(err)
	}
	return nil
}

// addTo writes the files. Weights must be finite: a model that is not would only be
// noticed when it is used.
func (m NewModel) addTo(ctx context.Context, aside *asideDir) error {
	config, err := m.Config.Encode()
	if err != nil {
		return err
	}
	if err := aside.addBytes(ctx, configName, config); err != nil {
		return err
	}
	// transformers refuses a file that does not say which framework laid it out.
	metadata := map[string]string{"format": "pt"}
	weights, query := m.split()
	if err := aside.add(ctx, weightsName, func(w io.Writer) error {
		return writeTensors(w, weights, metadata, true)
	}); err != nil {
		return err
	}
	if m.Config.QueryFile != "" {
		if err := aside.add(ctx, m.Config.QueryFile, func(w io.Writer) error {
			return writeTensors(w, query, metadata, true)
		}); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(m.Files) {
		if err := aside.addBytes(ctx, name, m.Files[name]); err != nil {
			return err
		}
	}
	if m.Tokenizer != nil {
		if err := aside.addBytes(ctx, tokenizerName, m.Tokenizer); err != nil {
			return err
		}
	}
	if len(m.History) > 0 {
		history, err := encodeHistory(m.History)
		if err != nil {
			return err
		}
		if err := aside.addBytes(ctx, historyName, history); err != nil {
			return err
		}
	}
	if m.Card != "" {
		return aside.addBytes(ctx, cardName, []byte(m.Card))
	}
	return nil
}

// split returns the tensors of the weights' file and that of the query embedding's, if
// there is to be one.
func (m NewModel) split() (weights, query []Tensor) {
	for _, t := range m.Weights {
		if t.Name == QueryEmbed && m.Config.QueryFile != "" {
			query = append(query, t)
		} else {
			weights = append(weights, t)
		}
	}
	return weights, query
}
