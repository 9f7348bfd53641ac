package checkpoint

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const (
	maxShards     = 1024     // each is an open file
	maxIndexBytes = 64 << 20 // about 600,000 tensors
)

// openSharded opens the shards that model.safetensors.index.json lists.
func openSharded(fsys fs.FS) (*File, error) {
	text, err := readCapped(fsys, indexName, maxIndexBytes)
	if err != nil {
		return nil, err
	}
	placed, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", indexName, err)
	}
	f := &File{tensors: make(map[string]entry), metadata: make(map[string]string)}
	for _, name := range sortedKeys(placed) {
		if err := f.addShard(fsys, name, placed[name]); err != nil {
			f.Close()
			return nil, fmt.Errorf("read shard %s: %w", name, err)
		}
	}
	f.names = sortedKeys(f.tensors)
	return f, nil
}

// parseIndex returns, for each shard, the names of its tensors.
func parseIndex(text []byte) (map[string]map[string]bool, error) {
	placed := make(map[string]map[string]bool)
	found := false
	err := eachField(text, func(key string, value json.RawMessage) error {
		if key != "weight_map" { // "metadata" holds sizes, which the shards know better
			return nil
		}
		found = true
		return eachField(value, func(tensor string, value json.RawMessage) error {
			var shard string
			if err := strictUnmarshal(value, &shard); err != nil {
				return fmt.Errorf("tensor %s: %w", quote(tensor), err)
			}
			if err := checkShardName(shard); err != nil {
				return fmt.Errorf("tensor %s: %w", quote(tensor), err)
			}
			if placed[shard] == nil {
				if len(placed) == maxShards {
					return fmt.Errorf("more than %d shards", maxShards)
				}
				placed[shard] = make(map[string]bool)
			}
			placed[shard][tensor] = true
			return nil
		})
	})
	if err == nil && !found {
		err = fmt.Errorf("weight_map: is missing")
	}
	return placed, err
}

// checkShardName refuses names that could leave the directory or name another kind of
// file, the index itself above all.
func checkShardName(name string) error {
	if !isPlainName(name, ".safetensors") {
		return fmt.Errorf("shard %s: want the plain name of a .safetensors file beside the index", quote(name))
	}
	return nil
}

// isPlainName reports whether name can only mean a file with that ending beside another.
func isPlainName(name, ending string) bool {
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
	return plain && !strings.HasPrefix(name, ".") && strings.HasSuffix(name, ending) && len(name) <= 255
}

// addShard opens a shard, which must hold exactly the given tensors: those that the index
// places there.
func (f *File) addShard(fsys fs.FS, name string, tensors map[string]bool) error {
	handle, err := fsys.Open(name)
	if err != nil {
		return err
	}
	s, err := newShard(name, handle)
	if err != nil {
		return err
	}
	f.shards = append(f.shards, s) // from here on, Close releases it
	h, err := readHeader(s.File)
	if err != nil {
		return err
	}
	for tensor := range tensors {
		if _, ok := h.tensors[tensor]; !ok {
			return fmt.Errorf("tensor %s is missing, although it should be here", quote(tensor))
		}
	}
	for tensor, e := range h.tensors {
		if !tensors[tensor] {
			return fmt.Errorf("tensor %s should not be here", quote(tensor))
		}
		if f.Has(tensor) {
			return fmt.Errorf("tensor %s is in another file too", quote(tensor))
		}
		e.shard = len(f.shards) - 1
		f.tensors[tensor] = e
	}
	for key, value := range h.metadata {
		if _, ok := f.metadata[key]; !ok {
			f.metadata[key] = value
		}
	}
	return nil
}

// readCapped reads a small file whole.
func readCapped(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read %s: larger than %d bytes", name, limit)
	}
	return b, nil
}
