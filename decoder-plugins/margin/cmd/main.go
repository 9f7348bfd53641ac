// Command cmd is the strategy margin as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/margin"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(margin.New, margin.Info()) }
