//go:build !unix

package sdk

import "os"

// divertStdout leaves descriptors alone where they cannot be duplicated; go-plugin
// replaces os.Stdout after the handshake.
func divertStdout() (*os.File, error) { return os.Stdout, nil }
