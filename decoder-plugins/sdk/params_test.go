package sdk

import (
	"maps"
	"math"
	"strings"
	"testing"
)

func declared() []Param {
	return []Param{
		Int("size", 4, 1, 100, "a number"),
		Float("threshold", 0.5, 0, 1, "a fraction"),
		Bool("strict", false, "a switch"),
		Enum("order", "a choice", "up", "down"),
		String("label", "", "a text"),
	}
}

func TestResolve(t *testing.T) {
	p, err := Resolve(declared(), map[string]string{"size": "7", "strict": "true", "order": "down"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Int("size") != 7 || p.Float("threshold") != 0.5 || !p.Bool("strict") || p.String("order") != "down" || p.String("label") != "" {
		t.Errorf("got %+v", p)
	}
	if got, want := p.Canonical(), "label=,order=down,size=7,strict=true,threshold=0.5"; got != want {
		t.Errorf("canonical %q, want %q", got, want)
	}
	again, err := Resolve(declared(), p.Text())
	if err != nil || again.Canonical() != p.Canonical() {
		t.Errorf("resolved again: %v, %q", err, again.Canonical())
	}
	// Spelling does not matter.
	other, err := Resolve(declared(), map[string]string{"size": "+7", "strict": "true", "order": "down", "threshold": "5e-1"})
	if err != nil || other.Canonical() != p.Canonical() {
		t.Errorf("spelt otherwise: %v, %q", err, other.Canonical())
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"sise", "1", `unknown parameter "sise"; did you mean "size"?`},
		{"quux", "1", "known are label, order, size, strict, threshold"},
		{"size", "0", `size="0": want int, 1 to 100`},
		{"size", "101", "1 to 100"},
		{"size", "1.5", "want int"},
		{"size", "99999999999999999999", "want int"},
		{"threshold", "1.01", "0 to 1"},
		{"threshold", "NaN", "0 to 1"},
		{"threshold", "", "want float"},
		{"strict", "yes", "true or false"},
		{"order", "sideways", "up, down"},
		{"label", "a,b", "without commas"},
		{"label", "a\nb", "without commas"},
		{"label", strings.Repeat("a", 2000), "limit is 1024"},
	} {
		_, err := Resolve(declared(), map[string]string{c.name: c.value})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%.20q: got %v, want an error with %q", c.name, c.value, err, c.want)
		}
	}
	if _, err := Resolve(nil, map[string]string{"size": "1"}); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("got %v", err)
	}
}

func TestGetterPanicsOnOtherType(t *testing.T) {
	defer func() {
		if v := recover(); v == nil || !strings.Contains(v.(string), `"size" is not declared as float64`) {
			t.Errorf("got %v", v)
		}
	}()
	p, err := Resolve(declared(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Float("size")
}

func TestInfoValidate(t *testing.T) {
	valid := Info{Name: "s", Version: "1", Params: declared()}
	if err := valid.Validate(); err != nil {
		t.Error(err)
	}
	with := func(p Param) Info { return Info{Name: "s", Version: "1", Params: []Param{p}} }
	for _, c := range []struct {
		info Info
		want string
	}{
		{Info{Name: "S", Version: "1"}, "lower-case"},
		{Info{Name: "", Version: "1"}, "lower-case"},
		{Info{Name: "1s", Version: "1"}, "lower-case"},
		{Info{Name: "s"}, "no version"},
		{with(Int("a b", 1, 0, 2, "")), "parameter name"},
		{with(Int("a", 5, 0, 2, "")), `default of parameter a="5"`},
		{with(Int("a", 1, 2, 0, "")), "bounds"},
		{with(Int("a", 1, 0, math.MaxInt64, "")), "bounds"},
		{with(Float("a", 1, 0, math.Inf(1), "")), "bounds"},
		{with(Float("a", 1, math.NaN(), 2, "")), "bounds"},
		{with(Enum("a", "")), ""},
		{with(Param{Name: "a"}), "no type"},
		{Info{Name: "s", Version: "1", Params: []Param{Bool("a", true, ""), Bool("a", true, "")}}, "declared twice"},
	} {
		err := c.info.Validate()
		if c.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.info, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error with %q", c.info, err, c.want)
		}
	}
}

func TestParseSpec(t *testing.T) {
	for _, c := range []struct {
		spec, name string
		values     map[string]string
	}{
		{"ar", "ar", nil},
		{"confidence:threshold=0.9", "confidence", map[string]string{"threshold": "0.9"}},
		{"a:b=1,c=x:y=z", "a", map[string]string{"b": "1", "c": "x:y=z"}},
		{"./dir:with:colons/exe:k=v", "./dir:with:colons/exe", map[string]string{"k": "v"}},
		{"/dir:x/exe", "/dir:x/exe", nil},
		{`C:\exe:k=`, `C:\exe`, map[string]string{"k": ""}},
	} {
		name, values, err := ParseSpec(c.spec)
		if err != nil || name != c.name || !maps.Equal(values, c.values) {
			t.Errorf("%q: got %q, %v, %v", c.spec, name, values, err)
		}
	}
	for spec, want := range map[string]string{
		"":                     "no name",
		":a=1":                 "no name",
		"a=1":                  "NAME:KEY=VALUE",
		"confidence:threshold": `parameter "threshold" has no value; write confidence:threshold=VALUE`,
		"a:b=1,":               `"" is not KEY=VALUE`,
		"a:b=1,c":              `"c" is not KEY=VALUE`,
		"a:b=1,=2":             `"=2" is not KEY=VALUE`,
		"a:b=1,b=2":            "given twice",
		"a:c=1,b:d=2":          `"b:d=2" is not KEY=VALUE`,
	} {
		if _, _, err := ParseSpec(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", spec, err, want)
		}
	}
}

// FuzzParseSpec: what is accepted can be written again and means the same.
func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"ar", "confidence:threshold=0.9,size=2", "./a:b/c:d=e", "a:b=", "=", ":", "a:b=c:d=e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		name, values, err := ParseSpec(spec)
		if err != nil {
			return
		}
		again := name
		for k, v := range values {
			separator := ","
			if again == name {
				separator = ":"
			}
			again += separator + k + "=" + v
		}
		gotName, gotValues, err := ParseSpec(again)
		if err != nil || gotName != name || !maps.Equal(gotValues, values) {
			t.Errorf("%q gave %q, %v; %q gives %q, %v, %v", spec, name, values, again, gotName, gotValues, err)
		}
	})
}

func TestSuggest(t *testing.T) {
	for name, want := range map[string]string{
		"randon": `; did you mean "random"?`,
		"rand":   `; did you mean "random"?`,
		"xyz":    "; known are ar, random",
	} {
		if got := Suggest(name, []string{"random", "ar"}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
