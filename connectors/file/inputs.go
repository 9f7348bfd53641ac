package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// expand turns paths and globs into the list of files to read, in order, each once.
// Every name is checked now, so that a typing error shows before any work is done.
func expand(o SourceOptions) ([]string, error) {
	excluded, err := statAll(o.Exclude)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []string
	for _, path := range o.Paths {
		if path == stdio {
			if seen[path] {
				return nil, errors.New("standard input is given twice")
			}
			seen[path] = true
			out = append(out, path)
			continue
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && isGlob(path) {
			matches, err := glob(path, excluded)
			if err != nil {
				return nil, err
			}
			for _, m := range matches {
				if !seen[m] {
					seen[m] = true
					out = append(out, m)
				}
			}
			continue
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("input: %w", err)
		case info.IsDir():
			return nil, fmt.Errorf("input %s is a directory: use %s", path, strings.TrimSuffix(path, "/")+"/**/*.jsonl")
		case isOneOf(info, excluded):
			return nil, fmt.Errorf("input %s is also the output", path)
		case seen[path]:
			return nil, fmt.Errorf("input %s is given twice", path)
		}
		seen[path] = true
		out = append(out, path)
	}
	return out, nil
}

// isGlob reports whether the path holds pattern characters. A file that exists under
// such a name is taken as it is.
func isGlob(path string) bool { return strings.ContainsAny(path, "*?[{") }

// glob lists the files that match, in lexical order, without ledgers and excluded
// files.
func glob(pattern string, excluded []os.FileInfo) ([]string, error) {
	matches, err := doublestar.FilepathGlob(pattern, doublestar.WithFilesOnly())
	if err != nil {
		return nil, fmt.Errorf("input pattern %s: %w", pattern, err)
	}
	slices.Sort(matches)
	var out []string
	for _, m := range matches {
		if strings.Contains(filepath.Base(m), LedgerSuffix) {
			continue
		}
		info, err := os.Stat(m)
		if err != nil {
			return nil, fmt.Errorf("input pattern %s: %w", pattern, err)
		}
		if !isOneOf(info, excluded) {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no input file matches %s", pattern)
	}
	return out, nil
}

// statAll looks up the files that exist; a missing one cannot be matched.
func statAll(paths []string) ([]os.FileInfo, error) {
	var out []os.FileInfo
	for _, p := range paths {
		if p == stdio || p == "" {
			continue
		}
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("excluded file: %w", err)
		}
		if info.Mode().IsRegular() {
			out = append(out, info)
		}
	}
	return out, nil
}

func isOneOf(info os.FileInfo, files []os.FileInfo) bool {
	return slices.ContainsFunc(files, func(f os.FileInfo) bool { return os.SameFile(info, f) })
}
