//go:build !linux && !darwin

package mapped

import (
	"errors"
	"os"
)

// mapFile refuses: data is read with ReadAt.
func mapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapFile([]byte) error { return nil }
