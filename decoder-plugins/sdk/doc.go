// Package sdk is what the author of a decode strategy imports. A plugin is a
// constructor, a description and one call:
//
//	func main() { sdk.Main(New, Info()) }
//
//	func Info() sdk.Info {
//		return sdk.Info{
//			Name: "mine", Version: "1.0.0", Doc: "Commits what it likes.",
//			Params: []sdk.Param{sdk.Int("size", 1, 1, 1024, "positions committed a step")},
//		}
//	}
//
//	func New(p sdk.Params) (sdk.Instance, error) { return &mine{size: p.Int("size")}, nil }
//
// where *mine is a strategy.Strategy, or a strategy.Planner that says so in its
// Spec. Prove it with one call of sdktest.Run; run it with --strategy ./mine:size=4.
package sdk
