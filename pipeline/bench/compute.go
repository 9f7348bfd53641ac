package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/any-order/a3/core/kernels"
)

// computeType says in what numbers a network's products are computed.
type computeType struct {
	name   string
	bytes  int  // of a packed weight
	trains bool // else it only decodes
}

func (c computeType) kernel() kernels.Type { return kernels.Type(c.name) }

// offered returns the compute types of a level.
func offered(*kernels.Kernels) []computeType {
	return []computeType{
		{name: string(kernels.Float32), bytes: 4, trains: true},
		{name: string(kernels.BF16), bytes: 2, trains: true},
	}
}

// chooseCompute returns the compute types of the given names, in the order in which they
// are offered; no name means all.
func chooseCompute(wanted []string, k *kernels.Kernels) ([]computeType, error) {
	all := offered(k)
	if len(wanted) == 0 {
		return all, nil
	}
	names := namesOf(all)
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("compute type %q is not offered on CPU level %s; it has %s", name, k.Level(), strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(c computeType) bool { return !slices.Contains(wanted, c.name) }), nil
}

// best returns the type that a3 would decode and train with: the narrowest that trains.
func best(chosen []computeType) computeType {
	b := chosen[0]
	for _, c := range chosen[1:] {
		if c.trains && c.bytes < b.bytes {
			b = c
		}
	}
	return b
}

func namesOf(types []computeType) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.name
	}
	return names
}
