//go:build !linux && !noasm

package kernels

// allowTiles is false where no call is known by which a process gets the tile registers.
func allowTiles() bool { return false }
