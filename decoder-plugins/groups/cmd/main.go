// Command cmd is the strategy groups as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/groups"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(groups.New, groups.Info()) }
