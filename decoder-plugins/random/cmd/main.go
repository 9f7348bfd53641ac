// Command cmd is the strategy random as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/random"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(random.New, random.Info()) }
