// Package builtin lists the strategies that a3 ships, and serves one of them as a
// plugin process: the executable of the host re-runs itself, so that nothing has to
// be installed for the process boundary to be real.
package builtin

import (
	"slices"
	"strings"

	"github.com/any-order/a3/decoder-plugins/ar"
	"github.com/any-order/a3/decoder-plugins/blockwise"
	"github.com/any-order/a3/decoder-plugins/confidence"
	"github.com/any-order/a3/decoder-plugins/entropy"
	"github.com/any-order/a3/decoder-plugins/groups"
	"github.com/any-order/a3/decoder-plugins/margin"
	"github.com/any-order/a3/decoder-plugins/random"
	"github.com/any-order/a3/decoder-plugins/revise"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/speculative"
)

// List returns the shipped strategies, by ascending name.
func List() []sdk.Plugin {
	alone := []sdk.Plugin{
		{Info: ar.Info(), New: ar.New},
		{Info: confidence.Info(), New: confidence.New},
		{Info: entropy.Info(), New: entropy.New},
		{Info: groups.Info(), New: groups.New},
		{Info: margin.Info(), New: margin.New},
		{Info: random.Info(), New: random.New},
		{Info: revise.Info(), New: revise.New},
		{Info: speculative.Info(), New: speculative.New},
	}
	all := append(slices.Clone(alone), blockwise.Plugin(alone))
	slices.SortFunc(all, func(a, b sdk.Plugin) int { return strings.Compare(a.Info.Name, b.Info.Name) })
	return all
}

// Serve is the body of the hidden command by which the executable runs one of its
// strategies as a plugin. It returns when the host is done. It writes the handshake
// to standard output: nothing may be printed there before.
func Serve(name string) error {
	plugin, err := sdk.Find(List(), name)
	if err != nil {
		return err
	}
	sdk.Main(plugin.New, plugin.Info)
	return nil
}
