package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// executable is an external plugin on disk. It is hashed once per version of the
// file, where a version is what the file system calls the same file with the same
// size and time.
type executable struct {
	path   string
	pin    string      // hexadecimal SHA-256 that it must have; "" = any
	digest string      // of the version that was hashed
	file   os.FileInfo // of that version; nil = none yet
}

// findExecutable checks that the path can be executed. A relative path is taken from
// the working directory.
func findExecutable(path, pin string) (*executable, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(absolute)
	switch {
	case err != nil:
		return nil, &StartError{Path: path, Reason: "look at the file", Err: err}
	case info.IsDir():
		return nil, &StartError{Path: path, Reason: "it is a folder; give the path of an executable file"}
	case info.Mode()&0o111 == 0 && filepath.Separator == '/':
		return nil, &StartError{Path: path, Reason: "the file is not executable; run chmod +x on it"}
	}
	return &executable{path: absolute, pin: strings.ToLower(pin)}, nil
}

// verify hashes the file if it is not the version known, and holds the digest to the
// pin and to the first digest. Between this check and the start the file could still
// be replaced: keep plugins where only trusted users can write.
func (e *executable) verify() error {
	info, err := os.Stat(e.path)
	if err != nil {
		return &StartError{Path: e.path, Reason: "look at the file", Err: err}
	}
	known := e.file
	if known != nil && os.SameFile(known, info) && known.Size() == info.Size() && known.ModTime().Equal(info.ModTime()) {
		return nil
	}
	digest, err := hashFile(e.path)
	if err != nil {
		return &StartError{Path: e.path, Reason: "hash the file", Err: err}
	}
	if e.pin != "" && digest != e.pin {
		return &StartError{Path: e.path, Reason: fmt.Sprintf("its SHA-256 is %s, but %s is pinned; check the file, or pin the new digest", digest, e.pin)}
	}
	if known != nil && digest != e.digest {
		return fmt.Errorf("%w: the SHA-256 of %s was %s and is %s now; run the job again", ErrChanged, e.path, e.digest, digest)
	}
	e.digest, e.file = digest, info
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
