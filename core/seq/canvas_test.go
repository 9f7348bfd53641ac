package seq

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCanvas(t *testing.T) {
	c := NewCanvas(5, 6)
	c.AppendBlank(2)
	c.AppendKnown(7)
	c.AppendBlank(0)
	c.AppendKnown()
	c.AppendBlank(1)
	if want := []bool{false, false, true, true, false, true}; c.Len() != 6 || !slices.Equal(c.Blank, want) {
		t.Errorf("blanks %v, want %v", c.Blank, want)
	}
	if want := []int32{2, 3, 5}; !slices.Equal(c.Blanks(), want) {
		t.Errorf("blank positions %v, want %v", c.Blanks(), want)
	}
	if c.Tokens[0] != 5 || c.Tokens[1] != 6 || c.Tokens[4] != 7 {
		t.Errorf("tokens %v", c.Tokens)
	}
	if err := c.Validate(8); err != nil {
		t.Error(err)
	}
	if got := new(Canvas).Blanks(); got != nil {
		t.Errorf("an empty canvas has blanks %v", got)
	}
}

func TestCanvasValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		canvas Canvas
		want   string // part of the error; "" = valid
	}{
		{"empty", Canvas{}, ""},
		{"largest token", Canvas{[]int32{9}, []bool{false}}, ""},
		{"beyond the vocabulary", Canvas{[]int32{0, 10}, []bool{false, false}}, "token 10 at position 1"},
		{"negative", Canvas{[]int32{-1}, []bool{false}}, "token -1 at position 0"},
		{"anything under a blank", Canvas{[]int32{-1, 99}, []bool{true, true}}, ""},
		{"columns differ", Canvas{[]int32{1}, nil}, "1 tokens and 0 blank flags"},
	} {
		err := c.canvas.Validate(10)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Blanks lists exactly the blank positions, ascending, however the canvas was made.
func TestBlanksAreTheBlankPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Canvas{}
		var want []int32
		for range rapid.IntRange(0, 10).Draw(t, "parts") {
			n := rapid.IntRange(0, 4).Draw(t, "length")
			if rapid.Bool().Draw(t, "blank") {
				for i := range n {
					want = append(want, int32(c.Len()+i))
				}
				c.AppendBlank(n)
			} else {
				c.AppendKnown(make([]int32, n)...)
			}
		}
		if !slices.Equal(c.Blanks(), want) {
			t.Fatalf("blanks %v, want %v", c.Blanks(), want)
		}
		if err := c.Validate(1); err != nil {
			t.Fatal(err)
		}
	})
}
