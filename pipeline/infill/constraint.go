package infill

// Kind says which tokens a blank position may take.
type Kind uint8

const (
	// AnyText allows every token that stands for text. It holds for all blank
	// positions: special tokens (Tokenizer.IsSpecial) are banned inside blanks.
	AnyText Kind = iota
	// LeadingSpace allows the tokens of AnyText that start with a space
	// (Tokenizer.TokensStartingWith(' ')).
	LeadingSpace
)

func (k Kind) String() string {
	switch k {
	case AnyText:
		return "any text"
	case LeadingSpace:
		return "leading space"
	}
	return "unknown"
}

// Constraint narrows the choice at one position of a canvas. Blank positions that
// no constraint names are AnyText.
type Constraint struct {
	Position int32
	Kind     Kind
}
