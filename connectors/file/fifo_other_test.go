//go:build !unix

package file

import "testing"

func namedPipe(t *testing.T) string {
	t.Skip("named pipes are files on Unix only")
	return ""
}
