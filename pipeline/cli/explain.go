package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/explain"
)

// explanations are where a job tells how it filled its documents. A nil one is of a job
// that is not asked.
type explanations struct {
	form *explain.Writer
	path string    // of the file; "" = standard error
	out  io.Writer // once open
	file *os.File  // nil = standard error
}

func newExplanations(env *Env, c *config.Config) (*explanations, error) {
	if c.Explain == nil {
		return nil, nil
	}
	form, err := explain.ParseForm(c.Explain.Form)
	if err != nil {
		return nil, usagef("explain: %w", err)
	}
	return &explanations{form: explain.NewWriter(form), path: c.Explain.File, out: env.Stderr}, nil
}

// writer returns what explains a document, nil if nobody asks.
func (x *explanations) writer() *explain.Writer {
	if x == nil {
		return nil
	}
	return x.form
}

// open replaces the file and begins it.
func (x *explanations) open() error {
	if x == nil {
		return nil
	}
	if x.path != "" {
		var err error
		if x.file, err = os.Create(x.path); err != nil {
			return usagef("explain: %w", err)
		}
		x.out = bufio.NewWriter(x.file)
	}
	return x.write(x.form.Head())
}

// write writes the explanation of a document.
func (x *explanations) write(explanation []byte) error {
	_, err := x.out.Write(explanation)
	return err
}

// close ends the file.
func (x *explanations) close() error {
	if x == nil {
		return nil
	}
	err := x.write(x.form.Tail())
	if x.file != nil {
		err = errors.Join(err, x.out.(*bufio.Writer).Flush(), x.file.Close())
	}
	if err != nil {
		return fmt.Errorf("write explanations: %w", err)
	}
	return nil
}
