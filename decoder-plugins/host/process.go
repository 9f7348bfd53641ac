package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// drainTime is how long output may still arrive after the process ended: children
// that left its group could hold the pipes open for ever.
const drainTime = time.Second

// maxLine bounds a line of a plugin's output, in bytes; the rest of it is dropped.
const maxLine = 4096

// process is a running plugin: the operating system's side of it. Standard input is
// the null device, so that a plugin cannot eat what is piped into the host.
type process struct {
	cmd     *exec.Cmd
	firstly *io.PipeReader // the first line of standard output: the handshake
	exited  chan struct{}  // closed when the process was reaped
	drained chan struct{}  // closed when its output was read, too
	err     error          // of Wait; read after exited

	mu        sync.Mutex
	firstLine string // guarded by mu
	lastWords string // guarded by mu; the last panic, else the last line of standard error
}

// startProcess executes the command. Each line of output but the handshake goes to
// log. The process must be waited for: read drained.
func startProcess(cmd *exec.Cmd, log func(line string)) (*process, error) {
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stderr, stderrWriter, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, stdout.Close(), stdoutWriter.Close())
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, stdoutWriter, stderrWriter
	isolateProcess(cmd)

	first, firstWriter := io.Pipe()
	p := &process{cmd: cmd, firstly: first, exited: make(chan struct{}), drained: make(chan struct{})}
	started := make(chan error)
	go p.run(started, stdout, stderr)
	err = <-started
	_ = stdoutWriter.Close() // the process has its own
	_ = stderrWriter.Close()
	if err != nil {
		return nil, errors.Join(err, stdout.Close(), stderr.Close())
	}

	var readers sync.WaitGroup
	readers.Go(func() { p.readStdout(stdout, firstWriter, log) })
	readers.Go(func() { p.readStderr(stderr, log) })
	go func() {
		readers.Wait()
		<-p.exited
		close(p.drained)
	}()
	return p, nil
}

// run starts the process and reaps it, on one thread: see dieWithParent.
func (p *process) run(started chan<- error, stdout, stderr *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	killGroup(p.cmd) // children that it left behind
	close(p.exited)
	select {
	case <-p.drained:
	case <-time.After(drainTime):
	}
	_ = stdout.Close()
	_ = stderr.Close()
}

// readStdout passes the first line on to go-plugin and logs the others. go-plugin's
// own reader would stop at a line of 64 KiB, and drops what follows the handshake.
func (p *process) readStdout(r io.Reader, first *io.PipeWriter, log func(string)) {
	seen := false
	eachLine(r, func(line string) {
		if seen {
			log(line)
			return
		}
		seen = true
		p.mu.Lock()
		p.firstLine = line
		p.mu.Unlock()
		_, _ = io.WriteString(first, line+"\n")
	})
	if !seen {
		// go-plugin kills a plugin whose output ends without a handshake. Give it the
		// time to end by itself, so that its status says why.
		select {
		case <-p.exited:
		case <-time.After(drainTime):
		}
	}
	_ = first.Close()
}

func (p *process) readStderr(r io.Reader, log func(string)) {
	panicked := false
	eachLine(r, func(line string) {
		log(line)
		panics := strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:")
		if strings.TrimSpace(line) == "" || panicked && !panics {
			return // what follows a panic is its stack
		}
		panicked = panics
		p.mu.Lock()
		p.lastWords = line
		p.mu.Unlock()
	})
}

// eachLine calls f for each line, cut to maxLine, until the reader ends.
func eachLine(r io.Reader, f func(line string)) {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		line, more, err := b.ReadLine()
		if err != nil {
			return
		}
		f(string(line))
		for more && err == nil {
			_, more, err = b.ReadLine()
		}
	}
}

// kill ends the process and its group at once. It does not wait.
func (p *process) kill() {
	select {
	case <-p.exited: // the pid may belong to somebody else by now
	default:
		killGroup(p.cmd)
	}
}

// ended waits for the end of the process and its output, for no longer than limit.
func (p *process) ended(limit time.Duration) bool {
	select {
	case <-p.drained:
		return true
	case <-time.After(limit):
		return false
	}
}

// epitaph says how the process ended, in half a sentence.
func (p *process) epitaph() string {
	if !p.ended(2 * drainTime) {
		return "and it does not end"
	}
	how := "it ended with status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lastWords != "" {
		how += fmt.Sprintf(", its last words were %q", p.lastWords)
	}
	return how
}

// greeting returns the first line of standard output.
func (p *process) greeting() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.firstLine
}
