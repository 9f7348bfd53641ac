package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Field is a field of a configuration as its page lists it.
type Field struct {
	Path    string // items of lists are [], such as job.train.curriculum[].name
	Type    string
	Default string // as in YAML; "" = empty
}

// Fields returns all fields that a configuration may have, in the order of their blocks.
func Fields() []Field {
	c := Default()
	var l lister
	l.list("", reflect.ValueOf(&c).Elem())
	return l.fields
}

type lister struct{ fields []Field }

// list adds what is at a path. v can be set.
func (l *lister) list(path string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		block := reflect.New(v.Type().Elem())
		if b, ok := block.Interface().(variant); ok {
			b.setDefaults()
		}
		l.list(path, block.Elem())
		if v.Type().Elem().Kind() != reflect.Struct { // not given is none of its values
			l.fields[len(l.fields)-1].Default = ""
		}
		return
	}
	switch block := v.Addr().Interface().(type) {
	case yaml.InterfaceUnmarshaler:
		// It hands us the struct that has its fields, with their defaults.
		err := block.UnmarshalYAML(func(to any) error {
			l.list(path, reflect.ValueOf(to).Elem())
			return errReported
		})
		if !errors.Is(err, errReported) {
			panic(fmt.Sprintf("config: %s reads itself without its fields: %v", path, err))
		}
		return
	case *time.Duration:
		l.add(path, "duration", block.String())
		return
	case encoding.TextUnmarshaler:
		l.add(path, "text", text(v))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if at := join(path, f.name); at == "dead_letters" {
				l.add(at, "as output", "")
			} else {
				l.list(at, v.FieldByIndex(f.index))
			}
		}
	case reflect.Slice:
		l.slice(path, v)
	case reflect.Map:
		l.add(path, "mapping of text", "")
	default:
		l.add(path, typeName(v.Kind()), text(v))
	}
}

// slice adds a list of scalars, or the fields of a list of blocks.
func (l *lister) slice(path string, v reflect.Value) {
	item := reflect.New(v.Type().Elem()).Elem()
	before := len(l.fields)
	l.list(path+"[]", item)
	if added := l.fields[before:]; len(added) == 1 && added[0].Path == path+"[]" {
		kind := added[0].Type
		l.fields = l.fields[:before]
		l.add(path, "list of "+kind, "")
	}
}

func (l *lister) add(path, typ, value string) {
	l.fields = append(l.fields, Field{Path: path, Type: typ, Default: value})
}

func typeName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	}
	return "whole number"
}

// text returns a value as it is written in YAML.
func text(v reflect.Value) string {
	if v.IsZero() && v.Kind() == reflect.String {
		return ""
	}
	out, err := yaml.Marshal(v.Interface())
	if err != nil {
		panic(fmt.Sprintf("config: print a default: %v", err))
	}
	return strings.Trim(strings.TrimSpace(string(out)), `"`)
}
