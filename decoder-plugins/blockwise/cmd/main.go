// Command cmd is the strategy blockwise, with all shipped ones to have inside, as a
// plugin of its own.
package main

import (
	"fmt"
	"os"

	"github.com/any-order/a3/decoder-plugins/builtin"
)

func main() {
	if err := builtin.Serve("blockwise"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
