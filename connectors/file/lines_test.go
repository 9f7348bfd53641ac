package file

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

// FuzzReadLine compares the buffered reader with the plain definition of a line.
func FuzzReadLine(f *testing.F) {
	for _, s := range []string{"", "a", "a\n", "a\r\nb", "\n\n", "\r\r\n", "0123456789abcdefXYZ\n-\n", "\xff\x00\n"} {
		f.Add([]byte(s), uint8(4))
	}
	f.Fuzz(func(t *testing.T, data []byte, limitByte uint8) {
		limit := int(limitByte) + 1
		r := bufio.NewReaderSize(bytes.NewReader(data), 16) // the smallest: lines span buffers
		rest := data
		for len(rest) > 0 {
			line, n, last, long, err := readLine(r, limit)
			if err != nil {
				t.Fatal(err)
			}
			text, after, whole := bytes.Cut(rest, []byte("\n"))
			if whole {
				text = bytes.TrimSuffix(text, []byte("\r"))
			}
			if n != int64(len(rest)-len(after)) || last != rest[n-1] {
				t.Fatalf("read %d bytes of %q", n, rest)
			}
			if long != (len(text) > limit) || !bytes.Equal(line, text[:min(len(text), limit)]) {
				t.Fatalf("line %q, long %v; want %q within %d", line, long, text, limit)
			}
			rest = after
		}
		if _, n, _, _, err := readLine(r, limit); err != io.EOF || n != 0 {
			t.Fatalf("at the end: %d bytes, %v", n, err)
		}
	})
}
