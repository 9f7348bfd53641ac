// Command cmd is the strategy speculative as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/speculative"
)

func main() { sdk.Main(speculative.New, speculative.Info()) }
