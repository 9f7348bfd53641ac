// Command cmd is the strategy starter as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/scaffold/starter"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(starter.New, starter.Info()) }
