package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/hbollon/go-edlib"
)

// decoder fills structs from a tree, and goes on behind each problem.
type decoder struct {
	lookup   func(name string) (string, bool)
	problems Problems
	places   map[string]place // of each path that was given
}

// shorthand is a block that may be written as one scalar, such as a file's name.
type shorthand interface{ parse(text string) error }

// variant is a block of a choice. Its defaults hold as soon as it is named.
type variant interface{ setDefaults() }

// errReported says that the problems are with the decoder already.
var errReported = errors.New("reported")

func (d *decoder) fail(at place, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: at.file, Line: at.line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// decode sets v, which can be set, from n. A key without a value leaves v as it is.
func (d *decoder) decode(n *node, path string, v reflect.Value) {
	if _, ok := d.places[path]; !ok {
		d.places[path] = n.at
	}
	if v.Kind() == reflect.Pointer {
		d.pointer(n, path, v)
		return
	}
	if n.kind == null {
		return
	}
	switch block := v.Addr().Interface().(type) {
	case shorthand:
		if n.kind == scalar || n.dash() {
			d.text(n, path, block.parse)
			return
		}
	case yaml.InterfaceUnmarshaler:
		d.unmarshaler(n, path, block)
		return
	case *time.Duration:
		d.text(n, path, func(text string) (err error) {
			if *block, err = time.ParseDuration(text); err != nil {
				err = errors.New("want a duration, such as 500ms or 1m")
			}
			return err
		})
		return
	case encoding.TextUnmarshaler:
		d.text(n, path, func(text string) error { return block.UnmarshalText([]byte(text)) })
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.is(n, path, mapping) {
			d.fields(n, path, v)
		}
	case reflect.Map:
		if d.is(n, path, mapping) {
			d.entries(n, path, v)
		}
	case reflect.Slice:
		if d.is(n, path, sequence) {
			d.items(n, path, v)
		}
	default:
		d.text(n, path, func(text string) error { return setScalar(v, text) })
	}
}

// pointer sets a block that need not be there. Of the blocks of a choice, the name alone
// is a choice already; other keys without a value say nothing.
func (d *decoder) pointer(n *node, path string, v reflect.Value) {
	value := v
	if v.IsNil() {
		value = reflect.New(v.Type().Elem())
		block, choice := value.Interface().(variant)
		if n.kind == null && !choice {
			return
		}
		if choice {
			block.setDefaults()
		}
		v.Set(value)
	}
	d.decode(n, path, value.Elem())
}

func (d *decoder) is(n *node, path string, want kind) bool {
	if n.kind != want {
		d.fail(n.at, path, "want %s, got %s", want, n.kind)
	}
	return n.kind == want
}

// text hands a scalar, with its variables, to a function.
func (d *decoder) text(n *node, path string, use func(text string) error) {
	if n.dash() {
		n = &node{kind: scalar, text: Stdio, at: n.at}
	}
	if !d.is(n, path, scalar) {
		return
	}
	text, missing := expand(n.text, d.lookup)
	for _, problem := range missing {
		d.fail(n.at, path, "%s", problem)
	}
	if len(missing) > 0 {
		return
	}
	if err := use(text); err != nil {
		reason := err.Error()
		if text != n.text && text != "" { // what a variable holds may be a secret
			reason = strings.ReplaceAll(reason, text, n.text)
		}
		d.fail(n.at, path, "%s", reason)
	}
}

// unmarshaler lets a type of another package read itself: it hands us the struct that
// has its fields.
func (d *decoder) unmarshaler(n *node, path string, block yaml.InterfaceUnmarshaler) {
	err := block.UnmarshalYAML(func(to any) error {
		before := len(d.problems)
		d.decode(n, path, reflect.ValueOf(to).Elem())
		if len(d.problems) > before {
			return errReported
		}
		return nil
	})
	if err != nil && !errors.Is(err, errReported) {
		d.fail(d.places[path], path, "%v", err)
	}
}

func (d *decoder) fields(n *node, path string, v reflect.Value) {
	known := fieldsOf(v.Type())
	for _, f := range n.fields {
		at := join(path, f.name)
		i := slices.IndexFunc(known, func(k structField) bool { return k.name == f.name })
		if i < 0 {
			d.fail(f.at, at, "unknown field; %s", suggest(f.name, known))
			continue
		}
		d.places[at] = f.at
		d.decode(f.value, at, v.FieldByIndex(known[i].index))
	}
}

func (d *decoder) entries(n *node, path string, v reflect.Value) {
	out := reflect.MakeMap(v.Type())
	for _, f := range n.fields {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(f.value, join(path, f.name), value)
		out.SetMapIndex(reflect.ValueOf(f.name).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

func (d *decoder) items(n *node, path string, v reflect.Value) {
	if len(n.items) == 0 {
		v.SetZero() // as where nothing is said
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.decode(item, fmt.Sprintf("%s[%d]", path, i), out.Index(i))
	}
	v.Set(out)
}

// setScalar sets a number, a truth value or a text.
func setScalar(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(text, 0, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number in range", text)
		}
		v.SetInt(i)
	case reflect.Uint64:
		u, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0 on", text)
		}
		v.SetUint(u)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(f)
	default:
		panic("config: no configuration has a field of type " + v.Type().String())
	}
	return nil
}

// structField is a field of a configuration by its name in YAML.
type structField struct {
	name  string
	index []int
	typ   reflect.Type
}

// fieldsOf lists what a struct has in YAML, with the fields of inlined structs.
func fieldsOf(t reflect.Type) (out []structField) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
		case name != "" && name != "-":
			out = append(out, structField{name, []int{i}, f.Type})
		}
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// suggest names the known field nearest to a mistyped one, or all of them.
func suggest(name string, known []structField) string {
	best, distance := "", 3
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
		if d := edlib.OSADamerauLevenshteinDistance(name, k.name); d < distance {
			best, distance = k.name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "there are " + strings.Join(names, ", ")
}
