package sdk

import (
	"fmt"

	"github.com/any-order/a3/core/strategy"
)

// Info describes a plugin.
type Info struct {
	Name    string  // lower-case letters, digits, _ and -
	Version string  // of the plugin; part of a run's identity
	Doc     string  // one or two sentences
	Params  []Param // what the user may set
}

// Validate reports a description that no host would accept.
func (i Info) Validate() error {
	if !isName(i.Name) {
		return fmt.Errorf("plugin name %q: use lower-case letters, digits, _ and -, starting with a letter", i.Name)
	}
	if i.Version == "" {
		return fmt.Errorf("plugin %s has no version", i.Name)
	}
	if err := validateParams(i.Params); err != nil {
		return fmt.Errorf("plugin %s: %w", i.Name, err)
	}
	return nil
}

// Instance is a strategy.Strategy, or a strategy.Planner when its Spec says Planned.
type Instance interface {
	Spec() strategy.Spec
}

// New builds an instance. Every session of a host gets its own; they share nothing.
type New func(Params) (Instance, error)

// Plugin is a strategy that can be opened.
type Plugin struct {
	Info Info
	New  New
}

// Open builds an instance with the given parameter values, by name; a missing one
// takes its default. The instance is what its Spec says, and the Spec is valid.
func (p Plugin) Open(values map[string]string) (Instance, error) {
	if err := p.Info.Validate(); err != nil {
		return nil, err
	}
	params, err := Resolve(p.Info.Params, values)
	if err != nil {
		return nil, fmt.Errorf("strategy %s: %w", p.Info.Name, err)
	}
	instance, err := p.New(params)
	if err != nil {
		return nil, fmt.Errorf("strategy %s: %w", p.Info.Name, err)
	}
	spec := instance.Spec()
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if spec.Name != p.Info.Name {
		return nil, fmt.Errorf("plugin %s builds a strategy that calls itself %q; Spec().Name and Info.Name must agree", p.Info.Name, spec.Name)
	}
	_, steps := instance.(strategy.Strategy)
	_, plans := instance.(strategy.Planner)
	switch {
	case steps && plans:
		return nil, fmt.Errorf("strategy %s: %T has both Next and Plan; it must be one of them", spec.Name, instance)
	case spec.Planned && !plans:
		return nil, fmt.Errorf("strategy %s says Planned, but %T has no Plan method", spec.Name, instance)
	case !spec.Planned && !steps:
		return nil, fmt.Errorf("strategy %s does not say Planned, and %T lacks Begin, Next or End", spec.Name, instance)
	}
	return instance, nil
}

// Find returns the plugin of that name. An unknown name is refused with the nearest
// known one.
func Find(plugins []Plugin, name string) (Plugin, error) {
	names := make([]string, len(plugins))
	for i, p := range plugins {
		if p.Info.Name == name {
			return p, nil
		}
		names[i] = p.Info.Name
	}
	return Plugin{}, fmt.Errorf("unknown strategy %q%s", name, Suggest(name, names))
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z'
		other := '0' <= c && c <= '9' || c == '_' || c == '-'
		if !letter && (!other || i == 0) {
			return false
		}
	}
	return s != ""
}
