package tokenize

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// component is one of the fields of tokenizer.json that hold a component or, in a
// Sequence, several.
type component struct {
	field string   // of tokenizer.json
	list  string   // of a Sequence
	types []string // known, beside Sequence
}

func normalizers() component {
	return component{"normalizer", "normalizers", []string{"Prepend", "Replace"}}
}

func preTokenizers() component {
	return component{"pre_tokenizer", "pretokenizers", []string{"ByteLevel", "Digits", "Split", "Metaspace"}}
}

func decoders() component {
	return component{"decoder", "decoders", []string{"ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip"}}
}

// part is one component of a possibly nested sequence.
type part struct {
	path string // where it stands in tokenizer.json
	what string // its type and options, complete: equal parts do the same
}

// option is a component that is known as a whole.
type option struct {
	name string // "" = none
	json string
}

// parseForm returns the form that the components have.
func parseForm(file *fileJSON) (form, error) {
	candidates := forms()
	for _, step := range []struct {
		of   component
		data json.RawMessage
		json func(f form) string
	}{
		{normalizers(), file.Normalizer, func(f form) string { return f.normalizer }},
		{preTokenizers(), file.PreTokenizer, func(f form) string { return f.preTokenizer }},
		{decoders(), file.Decoder, func(f form) string { return f.decoder }},
	} {
		if step.of.field == "decoder" && isNull(step.data) && candidates[0].spacing == literal {
			break // old byte-level files; the tokens' bytes are the text without it too
		}
		var options []option
		for _, f := range candidates {
			o := option{json: step.json(f)}
			if step.of.field == "pre_tokenizer" && f.spacing == literal {
				o.name = f.pipeline.String()
			}
			if !slices.Contains(options, o) {
				options = append(options, o)
			}
		}
		chosen, err := step.of.choose(step.data, options)
		if err != nil {
			return form{}, err
		}
		candidates = slices.DeleteFunc(candidates, func(f form) bool { return step.json(f) != chosen.json })
	}
	return candidates[0], nil
}

// choose returns the option that data is. Options are told apart by their parts, so
// that nesting and options left at their defaults make no difference.
func (c component) choose(data json.RawMessage, options []option) (option, error) {
	var known []string
	wants := make([][]part, len(options))
	for i, o := range options {
		var err error
		if wants[i], err = c.parts(c.field, json.RawMessage(o.json)); err != nil {
			panic("tokenize: " + err.Error())
		}
		label := join(wants[i])
		if o.name != "" {
			label = o.name + " = " + label
		}
		known = append(known, label)
	}
	supported := "supported: " + strings.Join(known, "; ")
	parts, err := c.parts(c.field, data)
	if err != nil {
		return option{}, fmt.Errorf("%w; %s", err, supported)
	}
	best := 0 // the part at which the most similar option differs
	for i, want := range wants {
		same := 0
		for same < min(len(want), len(parts)) && want[same].what == parts[same].what {
			same++
		}
		if same == len(want) && same == len(parts) {
			return options[i], nil
		}
		best = max(best, same)
	}
	if best >= len(parts) {
		return option{}, fmt.Errorf("%s: %s is not supported as a whole; %s", c.field, join(parts), supported)
	}
	return option{}, fmt.Errorf("%s: %s is not supported here; %s", parts[best].path, parts[best].what, supported)
}

func join(parts []part) string {
	if len(parts) == 0 {
		return "null"
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(" + ")
		}
		b.WriteString(p.what)
	}
	return b.String()
}

// parts flattens a component; null has none.
func (c component) parts(path string, data json.RawMessage) ([]part, error) {
	if isNull(data) {
		return nil, nil
	}
	// The type first: of one that is not known the fields are not either.
	var kind struct{ Type string }
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if kind.Type != "Sequence" && !slices.Contains(c.types, kind.Type) {
		return nil, fmt.Errorf("%s: %q is not supported", path, kind.Type)
	}
	var p componentJSON
	if err := strict(path, data, &p); err != nil {
		return nil, err
	}
	if kind.Type != "Sequence" {
		return []part{{path, p.what(c)}}, nil
	}
	if strings.Count(path, ".") > 4 {
		return nil, fmt.Errorf("%s: sequences nested this deep are not supported", path)
	}
	inner := map[string][]json.RawMessage{
		"normalizers": p.Normalizers, "pretokenizers": p.PreTokenizers, "decoders": p.Decoders,
	}[c.list]
	var parts []part
	for i, one := range inner {
		ps, err := c.parts(fmt.Sprintf("%s.%s[%d]", path, c.list, i), one)
		if err != nil {
			return nil, err
		}
		parts = append(parts, ps...)
	}
	return parts, nil
}

// what returns the type and the options that change what is done.
func (p *componentJSON) what(c component) string {
	switch {
	case p.Type == "ByteLevel" && c.field == "pre_tokenizer":
		return fmt.Sprintf("ByteLevel(add_prefix_space=%s, use_regex=%s)", boolOr(p.AddPrefixSpace, true), boolOr(p.UseRegex, true))
	case p.Type == "Digits":
		return fmt.Sprintf("Digits(individual_digits=%s)", boolOr(p.IndividualDigits, false))
	case p.Type == "Split":
		return fmt.Sprintf("Split(pattern=%v, behavior=%s, invert=%t)", p.Pattern, p.Behavior, p.Invert)
	case p.Type == "Metaspace":
		return fmt.Sprintf("Metaspace(replacement=%q, prepend_scheme=%s, add_prefix_space=%s, split=%s)",
			p.Replacement, cmp.Or(p.PrependScheme, "always"), boolOr(p.AddPrefixSpace, true), boolOr(p.Split, true))
	case p.Type == "Prepend":
		return fmt.Sprintf("Prepend(%q)", p.Prepend)
	case p.Type == "Replace":
		return fmt.Sprintf("Replace(pattern=%v, content=%q)", p.Pattern, p.Content)
	case p.Type == "Strip":
		return fmt.Sprintf("Strip(content=%q, start=%d, stop=%d)", p.Content, p.Start, p.Stop)
	}
	return p.Type // ByteFallback, Fuse, and the decoder ByteLevel, whose options do nothing
}

// boolOr formats an optional flag.
func boolOr(flag *bool, absent bool) string {
	if flag != nil {
		absent = *flag
	}
	return fmt.Sprint(absent)
}
