package config

import (
	"errors"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Source is a configuration that is not yet read.
type Source struct {
	File   string // its name in messages
	Text   []byte
	Set    []string                                   // assignments PATH=VALUE, in their order
	Lookup func(name string) (value string, set bool) // of variables

	Strategies []sdk.Plugin // those that are shipped, whose parameters are checked; nil = nobody's are
}

// Load reads a configuration over the defaults. Its error is Problems: all that was
// found.
func Load(s Source) (*Config, error) {
	root, err := parse(s.File, s.Text)
	if err != nil {
		return nil, err
	}
	for _, assignment := range s.Set {
		if root, err = set(root, assignment); err != nil {
			return nil, err
		}
	}
	c := Default()
	d := &decoder{lookup: s.Lookup, places: map[string]place{}}
	d.decode(root, "", reflect.ValueOf(&c).Elem())
	problems := d.problems
	var found, inStrategy Problems
	errors.As(c.Complete(), &found)
	errors.As(c.checkStrategy(s.Strategies), &inStrategy)
	for _, p := range append(found, inStrategy...) {
		if d.reported(p.Path) {
			continue // it follows from what was wrong with the document
		}
		at := d.nearest(p.Path)
		p.File, p.Line = at.file, at.line
		if p.File == "" {
			p.File = s.File
		}
		problems = append(problems, p)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// reported says whether a problem with a path is known, or follows from one that is: a
// block that reads itself is empty if a part of it was wrong.
func (d *decoder) reported(path string) bool {
	for _, p := range d.problems {
		if p.Path == path || p.Path == "" || strings.HasSuffix(path, ".kafka") && strings.HasPrefix(p.Path, path+".") {
			return true
		}
	}
	return false
}

// nearest returns where a field was given, or the block that it should stand in.
func (d *decoder) nearest(path string) place {
	for {
		if at, ok := d.places[path]; ok {
			return at
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return d.places[""]
		}
		path = path[:i]
	}
}

// YAML returns the configuration in the form that Load reads, with all defaults.
// Secrets show as asterisks.
func (c *Config) YAML() ([]byte, error) { return yaml.MarshalWithOptions(c, yaml.IndentSequence(true)) }
