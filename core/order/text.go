package order

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds and defaults of the parameters. A group or a mean blank longer than
// maxSize would be no small group any more.
const (
	maxSize = 1024

	defaultMeanBlank = 4
	defaultMinShare  = 15
	defaultMaxShare  = 50
)

// Parse reads the text form of a sampler:
//
//	ltr              one token a group, left to right
//	next             the same, predicted by the content stream: the next-token loss of a
//	                 plain Llama
//	blocks:4         contiguous groups of 4
//	permuted:8       positions permuted, in groups of 8
//	uneven           positions permuted, group sizes 1 to 8; uneven:2-6 for 2 to 6
//	spans            blanks of mean length 4 over 15 to 50 % of the positions, filled
//	                 in groups of 1 to 4, in random order or left to right
//	spans:mean6/share10-30/group1-2/random
//	                 the same with its parameters, any of them, in any order; the
//	                 last word is mixed, random or ltr
//
// Sizes are 1 to 1024, shares 1 to 100 (percent); a range of equal ends may be
// written as one number.
func Parse(text string) (Sampler, error) {
	s, err := parse(text)
	if err != nil {
		return Sampler{}, fmt.Errorf("grouping %q: %w", text, err)
	}
	return s, nil
}

func parse(text string) (s Sampler, err error) {
	name, args, hasArgs := strings.Cut(text, ":")
	if hasArgs && args == "" {
		return s, fmt.Errorf("nothing follows the colon")
	}
	switch name {
	case "ltr", "next":
		if hasArgs {
			return s, fmt.Errorf("%s takes no parameter", name)
		}
		if name == "next" {
			s.Kind = Next
		}
		return s, nil
	case "blocks", "permuted":
		s.Kind = Blocks
		if name == "permuted" {
			s.Kind = Permuted
		}
		if !hasArgs {
			return s, fmt.Errorf("%s needs a group size, as in %s:4", name, name)
		}
		s.MinGroup, err = number(args, maxSize)
		s.MaxGroup = s.MinGroup
		return s, err
	case "uneven":
		s = Sampler{Kind: Uneven, MinGroup: 1, MaxGroup: 8}
		if hasArgs {
			s.MinGroup, s.MaxGroup, err = span(args, maxSize)
		}
		return s, err
	case "spans":
		s = Sampler{
			Kind: Spans, MinGroup: 1, MaxGroup: 4,
			MeanBlank: defaultMeanBlank, MinShare: defaultMinShare, MaxShare: defaultMaxShare,
		}
		if hasArgs {
			err = s.parseSpans(args)
		}
		return s, err
	}
	return s, fmt.Errorf("kind %q is not known; use ltr, next, blocks:N, permuted:N, uneven or spans", name)
}

func (s *Sampler) parseSpans(args string) (err error) {
	seen := map[string]bool{}
	for word := range strings.SplitSeq(args, "/") {
		name := strings.TrimRight(word, "0123456789-")
		value := word[len(name):]
		what := name
		switch name {
		case "mean":
			s.MeanBlank, err = number(value, maxSize)
		case "share":
			s.MinShare, s.MaxShare, err = span(value, 100)
		case "group":
			s.MinGroup, s.MaxGroup, err = span(value, maxSize)
		case "mixed", "random", "ltr":
			what = "order of filling"
			s.Fill = map[string]Fill{"mixed": FillMixed, "random": FillRandom, "ltr": FillLTR}[name]
			if value != "" {
				err = fmt.Errorf("takes no number")
			}
		default:
			return fmt.Errorf("parameter %q is not known; use meanN, shareLOW-HIGH, groupLOW-HIGH, mixed, random or ltr", word)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if seen[what] {
			return fmt.Errorf("%s is given twice", what)
		}
		seen[what] = true
	}
	return nil
}

// number reads a number from 1 to most, without sign or leading zeros.
func number(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most || text != strconv.Itoa(n) {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", text, most)
	}
	return n, nil
}

// span reads LOW-HIGH, or one number for both.
func span(text string, most int) (lo, hi int, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if lo, err = number(first, most); err != nil || !isRange {
		return lo, lo, err
	}
	if hi, err = number(last, most); err != nil {
		return 0, 0, err
	}
	if lo > hi {
		return 0, 0, fmt.Errorf("range %q ends before it begins", text)
	}
	return lo, hi, nil
}

func spanText(lo, hi int) string {
	if lo == hi {
		return strconv.Itoa(lo)
	}
	return strconv.Itoa(lo) + "-" + strconv.Itoa(hi)
}

// String returns the canonical text form: Parse(s.String()) == s, and parameters
// that have their default are left out.
func (s Sampler) String() string {
	switch s.Kind {
	case Blocks:
		return "blocks:" + strconv.Itoa(s.MaxGroup)
	case Permuted:
		return "permuted:" + strconv.Itoa(s.MaxGroup)
	case Uneven:
		if s.MinGroup == 1 && s.MaxGroup == 8 {
			return "uneven"
		}
		return "uneven:" + spanText(s.MinGroup, s.MaxGroup)
	case Spans:
		var words []string
		if s.MeanBlank != defaultMeanBlank {
			words = append(words, "mean"+strconv.Itoa(s.MeanBlank))
		}
		if s.MinShare != defaultMinShare || s.MaxShare != defaultMaxShare {
			words = append(words, "share"+spanText(s.MinShare, s.MaxShare))
		}
		if s.MinGroup != 1 || s.MaxGroup != 4 {
			words = append(words, "group"+spanText(s.MinGroup, s.MaxGroup))
		}
		switch s.Fill {
		case FillRandom:
			words = append(words, "random")
		case FillLTR:
			words = append(words, "ltr")
		}
		if len(words) == 0 {
			return "spans"
		}
		return "spans:" + strings.Join(words, "/")
	case Next:
		return "next"
	}
	return "ltr"
}

// Validate reports parameters that Parse would not have accepted, of a sampler
// that was written as a literal.
func (s Sampler) Validate() error {
	parsed, err := Parse(s.String())
	if err != nil {
		return err
	}
	if s != parsed {
		return fmt.Errorf("grouping %q: its fields %+v are not those of its kind; build it with Parse", s, s)
	}
	return nil
}
