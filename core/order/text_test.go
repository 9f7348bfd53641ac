package order

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for text, canonical := range map[string]string{
		"ltr":                               "ltr",
		"next":                              "next",
		"blocks:4":                          "blocks:4",
		"permuted:1024":                     "permuted:1024",
		"uneven":                            "uneven",
		"uneven:1-8":                        "uneven",
		"uneven:3":                          "uneven:3",
		"uneven:2-6":                        "uneven:2-6",
		"spans":                             "spans",
		"spans:mixed":                       "spans",
		"spans:mean4/share15-50/group1-4":   "spans",
		"spans:random/group2/share30/mean6": "spans:mean6/share30/group2/random",
		"spans:ltr":                         "spans:ltr",
		"spans:share100/group1-1024/mean1024/ltr": "spans:mean1024/share100/group1-1024/ltr",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		} else if s.String() != canonical {
			t.Errorf("Parse(%q) prints %q, want %q", text, s, canonical)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "not known",
		"LTR":                 "not known",
		"ltr:1":               "no parameter",
		"next:1":              "next takes no parameter",
		"ltr:":                "nothing follows",
		"blocks":              "blocks:4",
		"permuted:0":          "1 to 1024",
		"permuted:04":         "1 to 1024",
		"permuted:1025":       "1 to 1024",
		"uneven:5-2":          "ends before it begins",
		"uneven:2-":           "not a number",
		"spans:mean":          "mean",
		"spans:share0-50":     "1 to 100",
		"spans:share10-101":   "1 to 100",
		"spans:mean4/mean5":   "given twice",
		"spans:ltr/random":    "given twice",
		"spans:ltr4":          "takes no number",
		"spans:lengths4":      "not known",
		"spans:mean4//share1": "not known",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestSamplerValidate(t *testing.T) {
	for _, s := range []Sampler{
		{Kind: 9}, {Kind: Blocks}, {Kind: Blocks, MinGroup: 1, MaxGroup: 4}, {Kind: Uneven, MinGroup: 4, MaxGroup: 2},
		{Kind: Spans, MinGroup: 1, MaxGroup: 4}, {Kind: LTR, MeanBlank: 4}, {Kind: Next, MaxGroup: 1}, {Kind: Next + 1},
		{Kind: Spans, MinGroup: 1, MaxGroup: 4, MeanBlank: 4, MinShare: 1, MaxShare: 2, Fill: 7},
	} {
		if s.Validate() == nil {
			t.Errorf("%+v is valid", s)
		}
	}
}

func TestSamplerTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySampler(t)
		back, err := Parse(s.String())
		if err != nil || back != s {
			t.Fatalf("%+v prints %q, which reads as %+v, %v", s, s, back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"ltr", "next", "blocks:4", "uneven:2-6", "spans:mean6/share10-30/group1-2/random", "spans:--1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("Parse(%q) is invalid: %v", text, err)
		}
		if back, err := Parse(s.String()); err != nil || back != s {
			t.Fatalf("Parse(%q) prints %q, which reads as %+v, %v", text, s, back, err)
		}
		if seg := s.Sample(1, make([]int32, 33), GivenCausal); seg.Group[0] != 0 {
			t.Fatalf("%s: BOS is in group %d", s, seg.Group[0])
		}
	})
}

func FuzzParseMixture(f *testing.F) {
	for _, text := range []string{"ltr", "ltr=2", "permuted:4=0.5,ltr=0.2,spans=0.3", "ltr=NaN", "ltr=1e400", "ltr=1,ltr=1", ","} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMixture(text)
		if err != nil {
			return
		}
		back, err := ParseMixture(m.String())
		if err != nil || back.String() != m.String() {
			t.Fatalf("ParseMixture(%q) prints %q, which reads as %q, %v", text, m, back, err)
		}
		m.Pick(1)
	})
}
