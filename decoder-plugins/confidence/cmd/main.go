// Command cmd is the strategy confidence as a plugin of its own.
package main

import (
	"github.com/any-order/a3/decoder-plugins/confidence"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func main() { sdk.Main(confidence.New, confidence.Info()) }
