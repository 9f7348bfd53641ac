// Command a3 fills, rewrites, scores and learns from documents with an any-order
// language model. Its commands are in pipeline/cli.
package main

import (
	"os"

	"github.com/any-order/a3/pipeline/cli"
)

func main() { os.Exit(cli.Main()) }
