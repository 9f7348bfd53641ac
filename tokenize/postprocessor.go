package tokenize

import (
	"encoding/json"
	"fmt"
)

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
