package sdk

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Kind is the type of a parameter.
type Kind uint8

// The kinds of parameters.
const (
	KindInt Kind = iota + 1
	KindFloat
	KindBool
	KindString
)

func (k Kind) String() string {
	switch k {
	case KindInt:
		return "int"
	case KindFloat:
		return "float"
	case KindBool:
		return "bool"
	case KindString:
		return "string"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Param declares a parameter of a strategy. Build it with Int, Float, Bool, String
// or Enum.
type Param struct {
	Name     string
	Kind     Kind
	Default  string   // as text, valid for the kind
	Min, Max float64  // inclusive bounds of KindInt and KindFloat
	Choices  []string // allowed values of KindString; none = any
	Doc      string
}

// Int declares a whole number from min to max.
func Int(name string, def, min, max int, doc string) Param {
	return Param{Name: name, Kind: KindInt, Default: strconv.Itoa(def), Min: float64(min), Max: float64(max), Doc: doc}
}

// Float declares a finite number from min to max.
func Float(name string, def, min, max float64, doc string) Param {
	return Param{Name: name, Kind: KindFloat, Default: formatFloat(def), Min: min, Max: max, Doc: doc}
}

// Bool declares a switch.
func Bool(name string, def bool, doc string) Param {
	return Param{Name: name, Kind: KindBool, Default: strconv.FormatBool(def), Doc: doc}
}

// String declares a text without commas.
func String(name, def, doc string) Param {
	return Param{Name: name, Kind: KindString, Default: def, Doc: doc}
}

// Enum declares one of several words. The first is the default.
func Enum(name, doc string, choices ...string) Param {
	p := Param{Name: name, Kind: KindString, Choices: choices, Doc: doc}
	if len(choices) > 0 {
		p.Default = choices[0]
	}
	return p
}

// Range describes the allowed values: "1 to 1024", "true or false", "a, b".
func (p Param) Range() string {
	switch {
	case p.Kind == KindBool:
		return "true or false"
	case p.Kind == KindString && len(p.Choices) == 0:
		return "any text without commas"
	case p.Kind == KindString:
		return strings.Join(p.Choices, ", ")
	}
	// Without an exponent: bounds are read by people.
	bound := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	return bound(p.Min) + " to " + bound(p.Max)
}

// maxText bounds the text of one value, in bytes.
const maxText = 1024

// parse returns the value of a text: int, float64, bool or string.
func (p Param) parse(text string) (any, error) {
	wrong := func() error {
		return fmt.Errorf("parameter %s=%q: want %s, %s", p.Name, text, p.Kind, p.Range())
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("parameter %s has %d bytes, the limit is %d", p.Name, len(text), maxText)
	}
	switch p.Kind {
	case KindInt:
		v, err := strconv.Atoi(text)
		if err != nil || float64(v) < p.Min || float64(v) > p.Max {
			return nil, wrong()
		}
		return v, nil
	case KindFloat:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(p.Min <= v && v <= p.Max) { // so written, NaN is refused
			return nil, wrong()
		}
		return v + 0, nil // -0 and 0 are the same parameter
	case KindBool:
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, wrong()
	case KindString:
		control := func(r rune) bool { return r < ' ' || r == ',' }
		if strings.ContainsFunc(text, control) || len(p.Choices) > 0 && !slices.Contains(p.Choices, text) {
			return nil, wrong()
		}
		return text, nil
	}
	return nil, fmt.Errorf("parameter %s has no type", p.Name)
}

// maxExact is the largest magnitude at which every integer is a float64.
const maxExact = 1 << 53

// validateParams reports a declaration that contradicts itself.
func validateParams(declared []Param) error {
	seen := make(map[string]bool)
	for _, p := range declared {
		if !isName(p.Name) {
			return fmt.Errorf("parameter name %q: use lower-case letters, digits, _ and -, starting with a letter", p.Name)
		}
		if seen[p.Name] {
			return fmt.Errorf("parameter %s is declared twice", p.Name)
		}
		seen[p.Name] = true
		if p.Kind == KindInt || p.Kind == KindFloat {
			finite := !math.IsInf(p.Min, 0) && !math.IsInf(p.Max, 0)
			if !finite || !(p.Min <= p.Max) || p.Kind == KindInt && max(math.Abs(p.Min), math.Abs(p.Max)) > maxExact {
				return fmt.Errorf("parameter %s has the bounds %s", p.Name, p.Range())
			}
		}
		if _, err := p.parse(p.Default); err != nil {
			return fmt.Errorf("default of %w", err)
		}
	}
	return nil
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
