package infill

import (
	"fmt"

	"github.com/any-order/a3/pipeline/infill/record"
)

// Options say how records are read.
type Options struct {
	record.Options
	BlankTokens int // length of a blank that does not say
	MaxTokens   int // longest blank allowed
	MaxBlanks   int // most blanks of a document
}

// DefaultOptions returns the options that hold where the user says nothing.
func DefaultOptions() Options {
	return Options{Options: record.DefaultOptions(), BlankTokens: 8, MaxTokens: 512, MaxBlanks: 4096}
}

// Validate reports options that contradict each other.
func (o Options) Validate() error {
	if err := o.Options.Validate(); err != nil {
		return err
	}
	if o.MaxBlanks < 1 {
		return fmt.Errorf("max blanks is %d; it must be at least 1", o.MaxBlanks)
	}
	if o.BlankTokens < 1 || o.BlankTokens > o.MaxTokens {
		return fmt.Errorf("blank tokens is %d; it must be 1 to %d (max tokens)", o.BlankTokens, o.MaxTokens)
	}
	return nil
}
