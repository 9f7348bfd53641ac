//go:build !unix

package decode

import (
	"testing"
	"time"
)

// cpuTime would return the processor time that this process has taken.
func cpuTime(testing.TB) time.Duration { return 0 }
