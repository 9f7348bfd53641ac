package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// set changes one value of a tree, as --set path=value says. The path has the names of
// fields and the numbers of items, from 0, joined by dots; the number behind the last
// item appends one. The value is YAML. It returns a changed copy of the nodes along the
// path: aliases of them stay what they were.
func set(root *node, assignment string) (*node, error) {
	path, text, ok := strings.Cut(assignment, "=")
	file := "--set " + path
	if !ok || path == "" {
		return nil, Problems{{File: "--set " + assignment, Text: "want PATH=VALUE, such as job.infill.blank_tokens=4"}}
	}
	value, err := parse(file, []byte(text))
	if err != nil {
		return nil, err
	}
	if text == "" || len(value.fields) == 0 && value.kind == mapping && !strings.HasPrefix(strings.TrimSpace(text), "{") {
		value = &node{kind: scalar} // an empty value, not an empty document
	}
	value.place(place{file: file})
	out, err := root.with(strings.Split(path, "."), value, file)
	if err != nil {
		return nil, Problems{{File: file, Text: err.Error()}}
	}
	return out, nil
}

// place says of a whole tree where it came from.
func (n *node) place(at place) {
	n.at = at
	for i := range n.fields {
		n.fields[i].at = at
		n.fields[i].value.place(at)
	}
	for _, item := range n.items {
		item.place(at)
	}
}

// with returns a copy of n, which may be nil, with the value at a path below it.
func (n *node) with(path []string, value *node, file string) (*node, error) {
	if len(path) == 0 {
		return value, nil
	}
	if n == nil || n.kind == null {
		n = &node{kind: mapping, at: place{file: file}}
	}
	name, rest := path[0], path[1:]
	if name == "" {
		return nil, fmt.Errorf("the path has an empty name")
	}
	out := *n
	switch n.kind {
	case sequence:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i > len(n.items) {
			return nil, fmt.Errorf("%q is not an item of a list of %d: use 0 to %[2]d", name, len(n.items))
		}
		out.items = append(slices.Clone(n.items), nil)[:max(len(n.items), i+1)]
		out.items[i], err = out.items[i].with(rest, value, file)
		return &out, err
	case mapping:
		child, err := n.child(name).with(rest, value, file)
		if err != nil {
			return nil, err
		}
		out.fields = slices.Clone(n.fields)
		for i := range out.fields {
			if out.fields[i].name == name {
				out.fields[i].value = child
				if len(rest) == 0 {
					out.fields[i].at = value.at
				}
				return &out, nil
			}
		}
		out.fields = append(out.fields, field{name: name, value: child, at: place{file: file}})
		return &out, nil
	}
	return nil, fmt.Errorf("%q is below %s", name, n.kind)
}
