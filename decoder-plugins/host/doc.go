// Package host runs decode strategies as processes and makes them look like values.
//
//	p, err := host.Open(ctx, "confidence:threshold=0.9", host.Options{Self: self, ...})
//	defer p.Close()
//	if plan := p.Planner(); plan != nil { ... } else { step := p.Strategy() ... }
//
// From the outside in: Plugin is what the engine gets. Its planner or stepper checks
// every answer against the contract. An isolation repeats and halves a batch that
// fails. The supervisor restarts what broke. A launcher starts processes: executable
// is the file, process the operating system's view, pluginRunner its adapter to
// go-plugin, runDir the folder of sockets, pluginProcess the result.
//
// The facts that shaped it are in ../DESIGN.md.
package host
