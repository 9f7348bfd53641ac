package sdk

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hbollon/go-edlib"
)

// Params are the values of all declared parameters.
type Params struct {
	values map[string]any // int, float64, bool or string
}

// Resolve checks the given values against the declaration and adds the defaults of
// the others. An unknown name is refused with the nearest known one.
func Resolve(declared []Param, values map[string]string) (Params, error) {
	params := Params{values: make(map[string]any, len(declared))}
	names := make([]string, len(declared))
	for i, p := range declared {
		names[i] = p.Name
		text, ok := values[p.Name]
		if !ok {
			text = p.Default
		}
		v, err := p.parse(text)
		if err != nil {
			return Params{}, err
		}
		params.values[p.Name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return Params{}, fmt.Errorf("unknown parameter %q%s", name, Suggest(name, names))
		}
	}
	return params, nil
}

// Int returns the value of a parameter declared with Int. Like the other getters it
// panics when the declaration says otherwise: that is a mistake in the plugin.
func (p Params) Int(name string) int { return get[int](p, name) }

// Float returns the value of a parameter declared with Float.
func (p Params) Float(name string) float64 { return get[float64](p, name) }

// Bool returns the value of a parameter declared with Bool.
func (p Params) Bool(name string) bool { return get[bool](p, name) }

// String returns the value of a parameter declared with String or Enum.
func (p Params) String(name string) string { return get[string](p, name) }

func get[T any](p Params, name string) T {
	v, ok := p.values[name].(T)
	if !ok {
		panic(fmt.Sprintf("sdk: parameter %q is not declared as %T in Info.Params", name, v))
	}
	return v
}

// Text returns each value as text, in the form that Resolve accepts.
func (p Params) Text() map[string]string {
	text := make(map[string]string, len(p.values))
	for name, v := range p.values {
		if f, ok := v.(float64); ok {
			text[name] = formatFloat(f)
		} else {
			text[name] = fmt.Sprint(v)
		}
	}
	return text
}

// Canonical returns all values, defaults too, as "a=1,b=0.5" with ascending names:
// two runs with the same canonical text have the same parameters.
func (p Params) Canonical() string {
	text := p.Text()
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(text)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(name + "=" + text[name])
	}
	return b.String()
}

// ParseSpec splits "name:key=value,key=value" into the name, or the path of an
// executable, and the values. Keys hold no colon, and values anything but commas.
func ParseSpec(spec string) (name string, values map[string]string, err error) {
	name, list := spec, ""
	if i := strings.IndexByte(spec, '='); i >= 0 {
		// The colon that counts is the last one before the first key ends, so that
		// colons in the path and in the values are left alone.
		colon := strings.LastIndexByte(spec[:i], ':')
		if colon < 0 {
			return "", nil, fmt.Errorf("strategy %q: write NAME:KEY=VALUE,KEY=VALUE", spec)
		}
		name, list = spec[:colon], spec[colon+1:]
	} else if base, tail, found := strings.Cut(spec, ":"); found && !strings.ContainsAny(spec, `/\`) {
		return "", nil, fmt.Errorf("strategy %q: parameter %q has no value; write %s:%s=VALUE", spec, tail, base, tail)
	}
	if name == "" {
		return "", nil, fmt.Errorf("strategy %q has no name; write NAME:KEY=VALUE,KEY=VALUE", spec)
	}
	values = make(map[string]string)
	if list == "" {
		return name, values, nil
	}
	for pair := range strings.SplitSeq(list, ",") {
		key, value, found := strings.Cut(pair, "=")
		if !found || key == "" || strings.Contains(key, ":") {
			return "", nil, fmt.Errorf("strategy %q: %q is not KEY=VALUE", spec, pair)
		}
		if _, again := values[key]; again {
			return "", nil, fmt.Errorf("strategy %q: parameter %s is given twice", spec, key)
		}
		values[key] = value
	}
	return name, values, nil
}

// Suggest ends an error message about an unknown name: with the nearest known one
// if there is a near one, else with all of them.
func Suggest(name string, known []string) string {
	if len(known) == 0 {
		return "; there are none"
	}
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if d := edlib.OSADamerauLevenshteinDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}
