package file

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow caps what a zstd frame may ask the decoder to remember (zstd --long=27).
const maxWindow = 128 << 20

// decompress returns a reader of the plain bytes. The extension decides, and where it
// says nothing, the first bytes do. packed tells whether there is compression at all.
// end, which may be nil, releases the decoder.
func decompress(name string, raw *bufio.Reader) (r io.Reader, packed bool, end func(), err error) {
	head, err := raw.Peek(4)
	if len(head) == 0 {
		if err == io.EOF {
			return raw, false, nil, nil // an empty file is empty, whatever its name
		}
		return nil, false, nil, err
	}
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == ".gz" || bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, false, nil, err
		}
		return z, true, nil, nil
	case ext == ".zst" || bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, false, nil, err
		}
		return z, true, z.Close, nil
	}
	return raw, false, nil, nil
}

// packer turns a batch into bytes that can be appended to the output, and cut off
// again: one gzip member or one zstd frame a batch.
type packer func(batch []byte) ([]byte, error)

func newPacker(c Compression) (packer, error) {
	switch c {
	case CompressionNone:
		return func(b []byte) ([]byte, error) { return b, nil }, nil
	case CompressionGzip:
		return func(b []byte) ([]byte, error) {
			var out bytes.Buffer
			z := gzip.NewWriter(&out)
			if _, err := z.Write(b); err != nil {
				return nil, err
			}
			if err := z.Close(); err != nil {
				return nil, err
			}
			return out.Bytes(), nil
		}, nil
	case CompressionZstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return func(b []byte) ([]byte, error) { return z.EncodeAll(b, nil), nil }, nil
	}
	return nil, fmt.Errorf("no packer for compression %v", c)
}
