package host

import (
	"bytes"
	"log/slog"
	"sync"
	"time"
)

// maxLines bounds the lines logged for a plugin in a second.
const maxLines = 200

// lineLog hands the lines that a plugin writes to a logger, and drops what comes too
// fast.
type lineLog struct {
	logger *slog.Logger

	mu      sync.Mutex
	second  time.Time // guarded by mu; begin of the current second
	lines   int       // guarded by mu; in it
	dropped int       // guarded by mu; in it
}

func (l *lineLog) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) > time.Second {
		if l.dropped > 0 {
			l.logger.Warn("plugin writes too much", "lines_dropped", l.dropped)
		}
		l.second, l.lines, l.dropped = now, 0, 0
	}
	if l.lines++; l.lines > maxLines {
		l.dropped++
		return
	}
	l.logger.Info("plugin", "line", text)
}

// lineWriter cuts a stream of bytes into lines of at most maxLine bytes.
type lineWriter struct {
	log  func(line string)
	rest []byte // of the last line, without its end
}

func (w *lineWriter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		w.rest = append(w.rest, line[:min(len(line), maxLine-len(w.rest))]...)
		if ended {
			w.log(string(w.rest))
			w.rest = w.rest[:0]
		}
		rest = after
	}
	return len(b), nil
}
