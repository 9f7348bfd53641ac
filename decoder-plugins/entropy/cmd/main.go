// Command cmd is the strategy entropy as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/entropy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(entropy.New, entropy.Info()) }
