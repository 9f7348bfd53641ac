//go:build !noasm

package kernels

//go:noescape
func attendLanesAMX(o *laneOperands)

//go:noescape
func gradLanesAMX(o *gradOperands)

// gatherLanesAMX copies lanes to dst [lanes][steps*32], zeros behind each one's elements.
//
//go:noescape
func gatherLanesAMX(dst *uint16, from *laneRows)

// storeLanesAMX stores bf16(src[i] * scale[i]) for lanes i of src [lanes][steps*32], and
// zeros where scale is 0.
//
//go:noescape
func storeLanesAMX(to *laneRows, src, scale *float32)

// addLanesAMX stores src [lanes][steps*32] in float32, or adds it if acc is not 0.
//
//go:noescape
func addLanesAMX(to *laneRows, src *float32, acc int)

// dotLanesAMX computes dst[i] = a[i]·b[i] for rows of steps*32 elements.
//
//go:noescape
func dotLanesAMX(dst *float32, a, b *uint16, lanes, steps int)

//go:noescape
func laneSumsAMX(scale, lse *float32, s *laneState)
