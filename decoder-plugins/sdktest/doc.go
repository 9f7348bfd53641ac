// Package sdktest proves that a decode strategy keeps the contract. A strategy's test
// is two calls:
//
//	func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }
//
//	func TestStrategy(t *testing.T) { sdktest.Run(t, New, Info(), "", "size=3") }
//
// Run drives the strategy with a simulated engine in this process, over gRPC, and as
// a process of its own (the test binary re-runs itself), and holds it to the Rules.
// Check holds any opened strategy to the same rules, for tools.
//
// The simulated engine is deterministic: what it "observes" is a table keyed by the
// document's key, the position and everything committed before, so that a different
// order of commits leads to different observations, as it does with a model.
package sdktest
