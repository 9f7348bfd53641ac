package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Digest is a SHA-256. As text it is 64 hexadecimal digits.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("want a SHA-256 of %d hexadecimal digits, got %s", hex.EncodedLen(len(d)), quote(string(text)))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// digestOf hashes size bytes of r.
func digestOf(ctx context.Context, r io.ReaderAt, size int64) (Digest, error) {
	h := sha256.New()
	_, err := io.CopyBuffer(contextWriter{ctx, h}, io.NewSectionReader(r, 0, size), make([]byte, pieceBytes))
	return Digest(h.Sum(nil)), err
}

// contextWriter makes a long copy end when ctx does.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
