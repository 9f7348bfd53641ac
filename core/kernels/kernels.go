// Package kernels holds the arithmetic of the engine: matrix products, attention
// over key prefixes, norms, softmax and the optimizer step. It is the only home of
// SIMD, assembly and unsafe.
//
// Every kernel exists for each Level. A Kernels value is opened for one level and
// handed to whoever computes; there is no global state, so that levels can be tested
// side by side. KERNELS.md beside this file says how the files are laid out and how
// a kernel is added.
//
// # What all levels promise
//
// The value of an output element depends on the inner dimension and on the level
// alone: one accumulator an element, filled in ascending order of the inner index.
// It does not depend on how many rows are computed together, on where a row stands
// among them, or on threads. The engine's guarantee of equal bytes rests on this.
//
// Matrices are row-major float32. Outputs must not alias inputs unless a kernel says
// that it works in place. Wrong shapes are mistakes of the program: they panic with
// the operation and the shapes.
package kernels

//go:generate go run ./asmgen -simd 512 -out gemm512_amd64.s
//go:generate go run ./asmgen -simd 256 -out gemm256_amd64.s

import (
	"fmt"
	"strings"
)

// Level names a set of CPU features that the kernels are written for. It is part of
// the identity of a run: equal bytes are promised on one level.
type Level string

// The levels, best first. Each includes what the next one has. Float32 results are the
// same on AMX and AVX512.
const (
	AMX      Level = "amx"      // AVX-512 with bfloat16, and AMX tiles for bfloat16 and int8 (Linux)
	AVX512   Level = "avx512"   // AVX-512 F, VL, BW and DQ
	AVX2     Level = "avx2"     // AVX2 and FMA
	Portable Level = "portable" // Go, with Gonum's blas32 for products
)

// simd is the width in bits of the registers that the vector assembly uses.
type simd int

const (
	noSIMD  simd = 0 // the portable loops
	simd256 simd = 256
	simd512 simd = 512
)

// Kernels computes on one level. It may be shared between goroutines.
type Kernels struct {
	level  Level
	simd   simd
	tiles  bool         // AMX tiles may be used, and bfloat16 instructions
	config []tileConfig // shapes of tiles by number of rows, if tiles
}

// Levels returns the levels that this machine offers, best first.
func Levels() []Level { return append(cpuLevels(), Portable) }

// Open returns the kernels of a level; the empty level means the machine's best.
func Open(level Level) (*Kernels, error) {
	offered := Levels()
	if level == "" {
		level = offered[0]
	}
	for _, l := range offered {
		if l == level {
			k := &Kernels{level: l, tiles: l == AMX}
			switch l {
			case AMX, AVX512:
				k.simd = simd512
			case AVX2:
				k.simd = simd256
			}
			if k.tiles {
				k.config = newTileConfigs()
			}
			return k, nil
		}
	}
	names := make([]string, len(offered))
	for i, l := range offered {
		names[i] = string(l)
	}
	return nil, fmt.Errorf("CPU level %q is not offered by this machine; it has %s", level, strings.Join(names, ", "))
}

// Best returns the kernels of the machine's best level.
func Best() *Kernels {
	k, err := Open("")
	if err != nil {
		panic("kernels: " + err.Error()) // Levels never returns an empty list
	}
	return k
}

// Level returns the level the kernels were opened for.
func (k *Kernels) Level() Level { return k.level }

// ShapeError is the panic value of a kernel called with sizes that do not fit.
type ShapeError struct {
	Op   string
	Want string
	Got  string
}

func (e ShapeError) Error() string {
	return fmt.Sprintf("kernels: %s: want %s, got %s", e.Op, e.Want, e.Got)
}

func checkLen(op string, n int, lens ...int) {
	for i, l := range lens {
		if l != n {
			panic(ShapeError{op, fmt.Sprintf("%d elements", n), fmt.Sprintf("%d in argument %d", l, i+1)})
		}
	}
}
