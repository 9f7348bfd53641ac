//go:build !amd64 || noasm

package kernels

// Without assembly no level has tiles: these are never called.

func attendLanesAMX(_ *laneOperands)                 {}
func gradLanesAMX(_ *gradOperands)                   {}
func gatherLanesAMX(_ *uint16, _ *laneRows)          {}
func storeLanesAMX(_ *laneRows, _, _ *float32)       {}
func addLanesAMX(_ *laneRows, _ *float32, _ int)     {}
func dotLanesAMX(_ *float32, _, _ *uint16, _, _ int) {}
func laneSumsAMX(_, _ *float32, _ *laneState)        {}
