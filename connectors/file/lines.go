package file

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// readLine reads one line and returns it without its line break ("\n" or "\r\n"), cut
// to limit bytes, in memory of its own. n counts all bytes read, line break included;
// last is the final one of them. A line at the end of the input needs no line break.
// io.EOF comes only with n = 0; any other error leaves the line undelivered.
func readLine(r *bufio.Reader, limit int) (line []byte, n int64, last byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(part) > 0 {
			n += int64(len(part))
			last = part[len(part)-1]
			// Two bytes over the limit leave room for the line break.
			line = append(line, part[:min(len(part), limit+2-len(line))]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == io.EOF && n > 0 {
			err = nil
		}
		if err != nil {
			return nil, n, last, false, err
		}
		break
	}
	if int64(len(line)) == n { // all of it is here
		if last == '\n' {
			line = bytes.TrimSuffix(line[:n-1], []byte("\r"))
		}
		if len(line) <= limit {
			return line, n, last, false, nil
		}
	}
	return line[:limit], n, last, true, nil
}

// isBlank reports whether a line holds nothing but ASCII white space.
func isBlank(line []byte) bool { return len(bytes.Trim(line, " \t\r\v\f")) == 0 }

// readWhole reads to the end of r, keeping at most limit bytes; n counts them all.
func readWhole(r io.Reader, limit int) (data []byte, n int64, long bool, err error) {
	data, err = io.ReadAll(io.LimitReader(r, int64(limit)))
	if err != nil {
		return nil, int64(len(data)), false, err
	}
	more, err := io.Copy(io.Discard, r)
	if err != nil {
		return nil, int64(len(data)) + more, false, err
	}
	return data, int64(len(data)) + more, more > 0, nil
}
