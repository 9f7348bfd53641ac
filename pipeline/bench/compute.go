package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/any-order/a3/core/kernels"
)

// computeType says in what a network's products are computed.
type computeType struct {
	kernels.Type
	bytes  int  // of a weight as a product reads it
	trains bool // else it only decodes
}

func computeTypes() []computeType {
	return []computeType{
		{Type: kernels.Float32, bytes: 4, trains: true},
		{Type: kernels.BF16, bytes: 2, trains: true},
		{Type: kernels.Int8, bytes: 1},
	}
}

// chooseCompute returns the compute types of the given names, in the order of
// computeTypes. No name means those that are worth it on the level: without tiles, bf16
// and int8 are widened, which is slower than float32.
func chooseCompute(wanted []string, k *kernels.Kernels) ([]computeType, error) {
	all := computeTypes()
	if len(wanted) == 0 {
		if k.DefaultType() == kernels.Float32 {
			return all[:1], nil
		}
		return all, nil
	}
	names := namesOf(all)
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("compute type %q is not known; use %s", name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(c computeType) bool { return !slices.Contains(wanted, string(c.Type)) }), nil
}

// preferred returns the type that a3 itself would choose, or else the first.
func preferred(chosen []computeType, k *kernels.Kernels) computeType {
	i := slices.IndexFunc(chosen, func(c computeType) bool { return c.Type == k.DefaultType() })
	return chosen[max(i, 0)]
}

func namesOf(types []computeType) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t.Type)
	}
	return names
}
