//go:build !unix

package host

import "os"

// lockFile relies on a file that is open being impossible to delete here.
func lockFile(path string, create int) (*os.File, error) {
	return os.OpenFile(path, create|os.O_RDWR, 0o600)
}
