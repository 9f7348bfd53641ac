// Command cmd is the strategy revise as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/revise"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(revise.New, revise.Info()) }
