package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/any-order/a3/pipeline"
)

// What is written between two states of the status line stands on lines of its own.
func TestStatusLine(t *testing.T) {
	var screen bytes.Buffer
	s := newStatusLine(&screen)
	s.show("1 record")
	s.show("2 records")
	if n, err := s.Write([]byte("in:3: bad\n")); n != 10 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if _, err := s.Write([]byte("in:4: bad\n")); err != nil {
		t.Error(err)
	}
	s.show("4 records")
	if want := wipe + "1 record" + wipe + "2 records" + wipe + "in:3: bad\nin:4: bad\n" + wipe + "4 records"; screen.String() != want {
		t.Errorf("the screen got %q, want %q", screen.String(), want)
	}
}

// Where standard error is no terminal, there is a line a minute and no control code.
func TestProgressElsewhere(t *testing.T) {
	var log bytes.Buffer
	env := &Env{Stdout: &bytes.Buffer{}, status: newStatusLine(&log), log: &atomic.Pointer[slog.Logger]{}}
	p := newJobProgress(env, false)
	p.report(pipeline.Counts{Read: 1})
	if log.Len() > 0 {
		t.Errorf("said %q at once", &log)
	}
	p.last = p.last.Add(-time.Hour)
	p.report(pipeline.Counts{Read: 1, Tokens: 1, ModelCalls: 2})
	p.summary(pipeline.Counts{Read: 20, Failed: 3, Unchanged: 1, Dropped: 2, Tokens: 40, ModelCalls: 1})
	got := strings.Split(log.String(), "\n")
	if len(got) != 3 || !strings.HasPrefix(got[0], "1 record, 1 token in 2 model calls, ") ||
		!strings.HasPrefix(got[1], "20 records, 3 failed, 1 unchanged, 2 dropped, 40 tokens in 1 model call, ") || strings.Contains(log.String(), "\x1b") {
		t.Errorf("said %q", got)
	}
}
