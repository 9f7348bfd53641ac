package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The bounds of a document: far above any configuration, far below what would hurt.
const (
	maxBytes = 1 << 20
	maxDepth = 50
)

// place is where a value was written.
type place struct {
	file string // or "--set PATH"
	line int
}

// node is a value of a document without the syntax that it was written in: a scalar's
// text, a mapping's fields in order, or a sequence's items.
type node struct {
	kind   kind
	text   string
	fields []field
	items  []*node
	at     place
}

type field struct {
	name  string
	value *node
	at    place
}

type kind string

const (
	null     kind = "nothing"
	scalar   kind = "a value"
	mapping  kind = "a mapping"
	sequence kind = "a list"
)

// parse reads a document. Its only error is one Problem.
func parse(file string, text []byte) (*node, error) {
	if len(text) > maxBytes {
		return nil, Problems{{File: file, Text: fmt.Sprintf("%d bytes; a configuration has at most %d", len(text), maxBytes)}}
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	var body ast.Node
	for _, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, Problems{{File: file, Line: line(doc.Body), Text: "a second document; a configuration is one"}}
		}
		body = doc.Body
	}
	if body == nil {
		return &node{kind: mapping, at: place{file: file}}, nil
	}
	r := &reader{file: file, anchors: map[string]*node{}}
	n := r.read(body, 0)
	if err := r.problems.err(); err != nil {
		return nil, err
	}
	return n, nil
}

// syntaxProblem keeps the message of the parser, without its picture of the place.
func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Text: err.Error()}
	if e, ok := err.(yaml.Error); ok {
		p.Text = e.GetMessage()
		if token := e.GetToken(); token != nil && token.Position != nil {
			p.Line = token.Position.Line
		}
	}
	p.Text = "not YAML: " + p.Text
	return p
}

// reader turns the parser's nodes into ours.
type reader struct {
	file     string
	anchors  map[string]*node
	problems Problems
}

func (r *reader) fail(n ast.Node, format string, args ...any) *node {
	r.problems = append(r.problems, Problem{File: r.file, Line: line(n), Text: fmt.Sprintf(format, args...)})
	return &node{kind: null, at: r.at(n)}
}

func (r *reader) at(n ast.Node) place { return place{file: r.file, line: line(n)} }

func line(n ast.Node) int {
	if token := n.GetToken(); token != nil && token.Position != nil {
		return token.Position.Line
	}
	return 0
}

func (r *reader) read(n ast.Node, depth int) *node {
	if n == nil {
		return &node{kind: null}
	}
	if depth > maxDepth {
		return r.fail(n, "more than %d levels deep", maxDepth)
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{kind: null, at: r.at(n)}
	case *ast.StringNode:
		return &node{kind: scalar, text: n.Value, at: r.at(n)}
	case *ast.LiteralNode:
		return &node{kind: scalar, text: n.Value.Value, at: r.at(n)}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: scalar, text: n.GetToken().Value, at: r.at(n)}
	case *ast.SequenceNode:
		out := &node{kind: sequence, at: r.at(n)}
		for _, value := range n.Values {
			out.items = append(out.items, r.read(value, depth+1))
		}
		return out
	case *ast.MappingNode:
		return r.mapping(n, n.Values, depth)
	case *ast.MappingValueNode:
		return r.mapping(n, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		out := r.read(n.Value, depth+1)
		r.anchors[n.Name.GetToken().Value] = out
		return out
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if out, ok := r.anchors[name]; ok {
			return out
		}
		return r.fail(n, "the alias *%s has no anchor &%[1]s before it", name)
	}
	return r.fail(n, "%s: not used in configurations", strings.ToLower(n.Type().String()))
}

// mapping reads fields. A merge key, "<<", adds those of another mapping that are not
// given here.
func (r *reader) mapping(n ast.Node, values []*ast.MappingValueNode, depth int) *node {
	out := &node{kind: mapping, at: r.at(n)}
	given := map[string]bool{}
	add := func(f field) {
		if !given[f.name] {
			given[f.name] = true
			out.fields = append(out.fields, f)
		}
	}
	var merged []*node
	for _, v := range values {
		value := r.read(v.Value, depth+1)
		if v.Key.IsMergeKey() {
			merged = append(merged, value)
			continue
		}
		name := v.Key.GetToken().Value
		if given[name] {
			r.fail(v.Key, "%s: given twice", name)
		}
		add(field{name: name, value: value, at: r.at(v.Key)})
	}
	if len(out.fields) > 0 {
		out.at = out.fields[0].at
	}
	for _, m := range merged {
		if m.kind != mapping {
			return r.fail(n, "<< merges a mapping, not %s", m.kind)
		}
		for _, f := range m.fields {
			add(f)
		}
	}
	return out
}

// child returns the value of a field, nil if it is not given.
func (n *node) child(name string) *node {
	for _, f := range n.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// dash reports whether the value is a lone "-", which in YAML begins a list, but says
// standard input or output where one word is wanted.
func (n *node) dash() bool {
	return n.kind == sequence && len(n.items) == 1 && n.items[0].kind == null
}
