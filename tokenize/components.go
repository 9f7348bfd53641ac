package tokenize

import (
	"encoding/json"
	"fmt"
	"strings"
)

// part is one pre-tokenizer of a possibly nested sequence.
type part struct {
	path string // where it stands in tokenizer.json
	what string // its type and options, complete: equal parts do the same
}

// parsePreTokenizer returns the pipeline that the pre_tokenizer is.
func parsePreTokenizer(data json.RawMessage) (Pipeline, error) {
	const path = "pre_tokenizer"
	var known []string
	for p := GPT2; p.valid(); p++ {
		parts, err := preTokenizerParts(path, json.RawMessage(p.preTokenizer()))
		if err != nil {
			panic("tokenize: " + err.Error())
		}
		known = append(known, p.String()+" = "+join(parts))
	}
	supported := "supported: " + strings.Join(known, "; ")
	if isNull(data) {
		return 0, fmt.Errorf("%s: null is not supported; %s", path, supported)
	}
	parts, err := preTokenizerParts(path, data)
	if err != nil {
		return 0, fmt.Errorf("%w; %s", err, supported)
	}
	best := 0 // the part at which the most similar pipeline differs
	for p := GPT2; p.valid(); p++ {
		want, _ := preTokenizerParts(path, json.RawMessage(p.preTokenizer()))
		same := 0
		for same < min(len(want), len(parts)) && want[same].what == parts[same].what {
			same++
		}
		if same == len(want) && same == len(parts) {
			return p, nil
		}
		best = max(best, same)
	}
	if best >= len(parts) {
		return 0, fmt.Errorf("%s: %s is not supported as a whole; %s", path, join(parts), supported)
	}
	return 0, fmt.Errorf("%s: %s is not supported here; %s", parts[best].path, parts[best].what, supported)
}

func join(parts []part) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(" + ")
		}
		b.WriteString(p.what)
	}
	return b.String()
}

// preTokenizerParts flattens a pre-tokenizer.
func preTokenizerParts(path string, data json.RawMessage) ([]part, error) {
	var p preTokenizerJSON
	// The type first: of one that is not known the fields are not either.
	var kind struct{ Type string }
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch kind.Type {
	case "ByteLevel", "Digits", "Split", "Sequence":
	default:
		return nil, fmt.Errorf("%s: %q is not supported", path, kind.Type)
	}
	if err := strict(path, data, &p); err != nil {
		return nil, err
	}
	what := ""
	switch p.Type {
	case "ByteLevel":
		what = fmt.Sprintf("ByteLevel(add_prefix_space=%s, use_regex=%s)", boolOr(p.AddPrefixSpace, true), boolOr(p.UseRegex, true))
	case "Digits":
		what = fmt.Sprintf("Digits(individual_digits=%s)", boolOr(p.IndividualDigits, false))
	case "Split":
		what = fmt.Sprintf("Split(pattern=%v, behavior=%s, invert=%t)", p.Pattern, p.Behavior, p.Invert)
	case "Sequence":
		if strings.Count(path, ".") > 4 {
			return nil, fmt.Errorf("%s: sequences nested this deep are not supported", path)
		}
		var parts []part
		for i, inner := range p.PreTokenizers {
			ps, err := preTokenizerParts(fmt.Sprintf("%s.pretokenizers[%d]", path, i), inner)
			if err != nil {
				return nil, err
			}
			parts = append(parts, ps...)
		}
		return parts, nil
	}
	return []part{{path, what}}, nil
}

// checkDecoder refuses decoders other than ByteLevel, for which decoding is the
// concatenation of the tokens' bytes.
func checkDecoder(data json.RawMessage) error {
	if isNull(data) {
		return nil
	}
	var d struct{ Type string }
	if err := json.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	if d.Type != "ByteLevel" {
		return fmt.Errorf("decoder: %s is not supported; only ByteLevel is", brief(data))
	}
	return nil
}

// parsePostProcessor returns the tokens that the post-processor puts before and
// behind a text, -1 = none.
func parsePostProcessor(data json.RawMessage, vocab int) (first, last int32, err error) {
	first, last = -1, -1
	if isNull(data) {
		return first, last, nil
	}
	var root postProcessorJSON
	if err := strict("post_processor", data, &root); err != nil {
		return first, last, err
	}
	var template *postProcessorJSON
	templatePath := ""
	var visit func(path string, p *postProcessorJSON) error
	visit = func(path string, p *postProcessorJSON) error {
		switch {
		case p.Type == "Sequence":
			for i := range p.Processors {
				if err := visit(fmt.Sprintf("%s.processors[%d]", path, i), &p.Processors[i]); err != nil {
					return err
				}
			}
			return nil
		case p.Type == "ByteLevel": // changes offsets, not ids
			return nil
		case p.Type == "TemplateProcessing" && template == nil:
			template, templatePath = p, path
			return nil
		case p.Type == "TemplateProcessing":
			return fmt.Errorf("%s: a second TemplateProcessing is not supported", path)
		}
		return fmt.Errorf("%s: %q is not supported; supported: TemplateProcessing, ByteLevel, Sequence of these", path, p.Type)
	}
	if err := visit("post_processor", &root); err != nil || template == nil {
		return first, last, err
	}
	seen := false
	for i, piece := range template.Single {
		path := fmt.Sprintf("%s.single[%d]", templatePath, i)
		switch {
		case piece.Sequence != nil && piece.SpecialToken == nil && piece.Sequence.ID == "A" && !seen:
			seen = true
		case piece.SpecialToken != nil && piece.Sequence == nil:
			name := piece.SpecialToken.ID
			ids := template.SpecialTokens[name].IDs
			if len(ids) != 1 || ids[0] < 0 || int(ids[0]) >= vocab {
				return first, last, fmt.Errorf("%s.special_tokens[%q].ids is %v: want one id of the vocabulary", templatePath, name, ids)
			}
			at := &first
			if seen {
				at = &last
			}
			if *at >= 0 {
				return first, last, fmt.Errorf("%s: %q: more than one token on a side of the text is not supported", path, name)
			}
			*at = ids[0]
		default:
			return first, last, fmt.Errorf("%s: want a SpecialToken, or once the Sequence A", path)
		}
	}
	if !seen {
		return first, last, fmt.Errorf("%s.single: the Sequence A is missing", templatePath)
	}
	return first, last, nil
}

// boolOr formats an optional flag.
func boolOr(flag *bool, absent bool) string {
	if flag != nil {
		absent = *flag
	}
	return fmt.Sprint(absent)
}
