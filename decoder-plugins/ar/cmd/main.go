// Command cmd is the strategy ar as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/ar"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(ar.New, ar.Info()) }
