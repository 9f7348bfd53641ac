package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/models/convert"
)

// convertJob is convert.Import or convert.Export.
type convertJob func(ctx context.Context, path, dir string, o convert.Options) (*convert.Result, error)

// convertFlags are the flags of the commands that write models.
type convertFlags struct {
	output, dtype, tokenizer string
}

func newModelImport(env *Env) *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "import PATH --output DIR",
		Short: "Make a model directory of a Hugging Face directory or a GGUF file",
		Long: `Import reads a pretrained Llama and writes it as a model directory: config.json,
model.safetensors and tokenizer.json. PATH is a Hugging Face directory (config.json, one or
several safetensors files in F32, F16 or BF16, tokenizer.json) or a GGUF file of the llama
architecture (F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_0, Q4_1, Q2_K to Q6_K; the tokenizer is
in its metadata).

Every value is kept: BF16 stays BF16, everything else becomes F32, which holds it exactly;
--dtype bf16 rounds all to half the size. Weights are streamed: memory does not grow with
the model. The directory appears whole or not at all.

The result lacks a query stream, unless the source is a model of A3: a3 train --init DIR
makes it an any-order model.`,
		Example: `  a3 model import SmolLM2-135M-Instruct.Q4_1.gguf --output smollm2
  a3 model import ./Llama-3.2-1B --dtype bf16 --output llama
  a3 train --init smollm2 --output runs/smollm2 stories.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s takes one directory or GGUF file, got %d", cmd.CommandPath(), len(args))
			}
			return f.run(cmd, env, args[0], convert.Import)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json to take instead of the model's own")
	return cmd
}

func newModelExport(env *Env) *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "export [DIR] --output DIR",
		Short: "Make a directory that Hugging Face's libraries read",
		Long: `Export writes a model directory, or the embedded model, so that transformers loads it as a
plain Llama, which the content stream is: AutoModelForCausalLM.from_pretrained(DIR). The
query embedding lies beside the weights, where other programs do not look: a3 model import
brings the whole model back, bit for bit.

A model of residual official is not a plain Llama and is refused.`,
		Example: `  a3 model export runs/tales/model --output tales-hf
  a3 model export --output stories-hf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return f.run(cmd, env, "", convert.Export)
			case 1:
				return f.run(cmd, env, args[0], convert.Export)
			}
			return usagef("%s takes one directory, got %d", cmd.CommandPath(), len(args))
		},
	}
	f.add(cmd)
	return cmd
}

func (f *convertFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "directory to write, which must not exist")
	cmd.Flags().StringVar(&f.dtype, "dtype", "", "type of all weights: f32, or bf16 (rounded); empty = keep every value: BF16 stays, all else becomes F32")
}

// options checks the flags.
func (f *convertFlags) options() (convert.Options, error) {
	var o convert.Options
	switch strings.ToLower(f.dtype) {
	case "":
	case "f32", "float32":
		o.DType = checkpoint.F32
	case "bf16", "bfloat16":
		o.DType = checkpoint.BF16
	default:
		return o, usagef("--dtype: %q is not f32 or bf16", f.dtype)
	}
	if f.output == "" {
		return o, usagef("--output is missing: name the directory to write")
	}
	if _, err := os.Lstat(f.output); err == nil {
		return o, usagef("--output: %s exists: choose another directory or remove it", f.output)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return o, usagef("--output: %w", err)
	}
	if f.tokenizer != "" {
		var err error
		if o.Tokenizer, err = os.ReadFile(f.tokenizer); err != nil {
			return o, usagef("--tokenizer: %w", err)
		}
	}
	return o, nil
}

// run converts a model and says what came of it.
func (f *convertFlags) run(cmd *cobra.Command, env *Env, path string, job convertJob) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	progress := &convertProgress{status: env.status, start: time.Now(), last: time.Now()}
	o.Progress = progress.report
	r, err := job(cmd.Context(), path, f.output, o)
	if err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintln(env.Stderr, note)
	}
	fmt.Fprintf(env.Stderr, "%s: %d parameters, stored as %s, written as %s, in %.1f s\n",
		f.output, r.Parameters, formatCounts(r.Stored), formatCounts(r.Written), time.Since(progress.start).Seconds())
	if r.Tokens == 0 {
		fmt.Fprintln(env.Stderr, "there is no tokenizer: put the tokenizer.json that the model was trained with into the directory")
	}
	if !r.Query {
		fmt.Fprintln(env.Stderr, "it is a plain Llama, without a query stream: a3 train --init makes it an any-order model")
	}
	return nil
}

// formatCounts names types, those with most weights first.
func formatCounts(count map[string]int) string {
	types := slices.Collect(maps.Keys(count))
	slices.SortFunc(types, func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	return strings.Join(types, " and ")
}

// convertProgress prints how much is written, on a terminal in a line that is written
// over, elsewhere once a minute.
type convertProgress struct {
	status      *statusLine
	start, last time.Time
}

func (p *convertProgress) report(done, total int) {
	every := time.Minute
	if p.status.terminal {
		every = 200 * time.Millisecond
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	text := fmt.Sprintf("%d of %d million weights", done/1e6, total/1e6)
	if p.status.terminal {
		p.status.show(text)
	} else {
		fmt.Fprintln(p.status, text)
	}
}
