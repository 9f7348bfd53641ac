package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/kernels"
)

func newModel(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Look at models, bring them in and out",
		Example: `  a3 model inspect runs/tales/model
  a3 model import SmolLM2-135M-Instruct.Q4_1.gguf --output smollm2
  a3 model export runs/tales/model --output tales-hf`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelInspect(env), newModelImport(env), newModelExport(env))
	return cmd
}

func newVersion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the Go release and the CPU levels of this machine",
		Example: "  a3 version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.Stdout, "a3 %s, %s %s/%s, CPU levels %v\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kernels.Levels())
			return err
		},
	}
}
