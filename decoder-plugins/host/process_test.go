//go:build unix

package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/any-order/a3/decoder-plugins/internal/remote"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
)

// TestSignals: a plugin that is killed or stopped between two steps is replaced, the
// documents in flight are introduced to the new one, and the result is the same.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
	}{{"killed", syscall.SIGKILL}, {"stopped", syscall.SIGSTOP}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var r restarts
			o := options(t)
			o.OnRestart = r.on
			o.CallTimeout = 500 * time.Millisecond
			p := open(t, "faulty", o)
			victim := p.pid()
			got, err := fill(t.Context(), p.Strategy(), 4, func(step int) {
				if step == 3 {
					send(t, victim, c.signal)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			wantFilled(t, got)
			if len(r.causes) != 1 {
				t.Errorf("restarts for %v, want one", r.causes)
			}
			waitGone(t, victim)
		})
	}
}

// send sends a signal and waits until it has taken effect.
func send(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for running(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d goes on after %v", pid, signal)
		}
		time.Sleep(time.Millisecond)
	}
}

// running says whether a process is neither dead nor stopped.
func running(pid int) bool {
	s := state(pid)
	return s != "" && s != "Z" && s != "T"
}

// waitGone waits until a process is gone.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive says whether a process exists. A zombie, which waits for a parent that is not
// ours, does not.
func alive(pid int) bool { s := state(pid); return s != "" && s != "Z" }

// state returns the letter by which ps calls the state of a process, "" = it is gone.
func state(pid int) string {
	out, _ := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output() // fails when it is gone
	return strings.TrimSpace(string(out[:min(1, len(out))]))
}

// TestCloseStopped: Close does not wait for a plugin that cannot answer.
func TestCloseStopped(t *testing.T) {
	o := options(t)
	o.StopTimeout = 100 * time.Millisecond
	p := open(t, "faulty", o)
	victim := p.pid()
	send(t, victim, syscall.SIGSTOP)
	begin := time.Now()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Close took %v", d)
	}
	waitGone(t, victim)
}

// TestCloseKillsChildren: what a plugin started goes with it.
func TestCloseKillsChildren(t *testing.T) {
	o := options(t)
	o.Environ, o.AllowEnv = os.Environ(), []string{"PATH"}
	p := open(t, "faulty:document=1,fault=child", o)
	got, err := fill(t.Context(), p.Strategy(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(got[1].failed.Error(), "child ")
	child, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%v: %v", got[1].failed, err)
	}
	if !alive(child) {
		t.Fatal("the child is gone too early")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	waitGone(t, child)
}

func TestCloseRemovesSockets(t *testing.T) {
	o := options(t)
	o.TempDir = shortTempDir(t)
	p := open(t, "faulty", o)
	if len(entries(t, o.TempDir)) != 1 {
		t.Errorf("folders %v, want one", entries(t, o.TempDir))
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if left := entries(t, o.TempDir); len(left) > 0 {
		t.Errorf("Close leaves %v", left)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := fill(t.Context(), p.Strategy(), 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after Close returns %v", err)
	}
}

// shortTempDir returns a folder whose path leaves room for sockets: t.TempDir holds
// the test's name.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "a3t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	e, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRunDirs: folders of dead hosts go, those of living ones stay.
func TestRunDirs(t *testing.T) {
	parent := shortTempDir(t)
	live, err := newRunDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(parent, "a3-plugins-123")
	fresh := filepath.Join(parent, "a3-plugins-456") // its lock is about to be made
	foreign := filepath.Join(parent, "something-else")
	for _, dir := range []string{stale, fresh, foreign} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{lockName, "plugin123"} {
		if err := os.WriteFile(filepath.Join(stale, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other, err := newRunDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale folder: %v", err)
	}
	for _, dir := range []string{live.path, fresh, foreign, other.path} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", dir, info.Mode())
		}
	}
	if err := errors.Join(live.remove(), other.remove()); err != nil {
		t.Error(err)
	}
	if _, err := newRunDir(filepath.Join(parent, strings.Repeat("x", 80))); err == nil {
		t.Error("a folder that does not exist is accepted")
	}
	long := filepath.Join(parent, strings.Repeat("x", 80))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newRunDir(long); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long path: %v", err)
	}
}

// TestOrphan: a plugin does not survive a host that is killed.
func TestOrphan(t *testing.T) {
	executable := self().Path
	cmd := exec.Command(executable, "host", "faulty")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !alive(plugin) {
		t.Fatalf("plugin %q: %v", line, err)
	}
	if runtime.GOOS == "linux" {
		send(t, plugin, syscall.SIGSTOP) // the kernel ends even one that hangs
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	waitGone(t, plugin)
}

// bare starts a plugin without the kernel's help against orphans.
type bare struct{ *pluginRunner }

func (b bare) Start(context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command(b.command.Path, b.command.Args...)
	cmd.Env, cmd.Stdout = b.env, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that it can be killed like the others
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return errors.Join(err, r.Close())
	}
	p := &process{cmd: cmd, exited: make(chan struct{}), drained: make(chan struct{})}
	first, firstWriter := io.Pipe()
	p.firstly = first
	go func() {
		_, _ = io.Copy(firstWriter, r)
		_ = firstWriter.Close()
		_ = r.Close()
		p.err = cmd.Wait()
		close(p.exited)
		close(p.drained)
	}()
	b.process = p
	return nil
}

// TestConnectionLost: where the kernel does not help, the plugin ends when the
// connection of its host does.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	command := self()
	command.Args = append(command.Args, "faulty")
	r := bare{&pluginRunner{command: command}}
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Version: {}},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			r.env = cmd.Env
			return r, nil
		},
		SkipHostEnv:      true,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: shortTempDir(t)},
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	conn := protocol.(*goplugin.GRPCClient).Conn
	if info, err := remote.Describe(t.Context(), conn); err != nil || info.Name != "faulty" {
		t.Fatalf("%v, %v", info, err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.process.exited:
		if r.process.err != nil {
			t.Errorf("it ended with %v", r.process.err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the plugin lives on")
	}
}

// TestEnvironment: plugins see what they are allowed to see.
func TestEnvironment(t *testing.T) {
	o := options(t)
	o.Environ = []string{"PATH=/bin", "KAFKA_PASSWORD=secret", "HOME=/nowhere", "PATHOLOGICAL=1"}
	o.AllowEnv = []string{"PATH"}
	p := open(t, "faulty:document=1,fault=environment", o)
	got, err := fill(t.Context(), p.Strategy(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := got[1].failed.Error()
	if !strings.Contains(seen, "PATH=/bin") {
		t.Errorf("PATH is missing in %s", seen)
	}
	for _, secret := range []string{"KAFKA", "HOME", "PATHOLOGICAL"} {
		if strings.Contains(seen, secret) {
			t.Errorf("%s is visible in %s", secret, seen)
		}
	}
}

// TestStdin: a plugin does not eat what is piped into the host.
func TestStdin(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(f *os.File) {
		os.Stdin = f
		_ = r.Close()
	}(os.Stdin)
	os.Stdin = r
	if _, err := w.WriteString("a document\n"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()

	p := open(t, "faulty:document=1,fault=stdin", options(t))
	got, err := fill(t.Context(), p.Strategy(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if failed := got[1].failed; !strings.Contains(failed.Error(), "read 0 bytes") {
		t.Errorf("the plugin %v", failed)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "a document\n" {
		t.Errorf("left on standard input: %q, %v", b, err)
	}
}

// TestOutput: whatever a plugin writes, and wherever, becomes log lines of the host.
func TestOutput(t *testing.T) {
	var log syncBuffer
	o := options(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p := open(t, "faulty:document=1,fault=stdout", o)
	got, err := fill(t.Context(), p.Strategy(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got)
	deadline := time.Now().Add(5 * time.Second)
	for _, want := range []string{"hello from stdout", "hello from stderr", "hello from descriptor 1"} {
		for !strings.Contains(log.String(), `strategy=faulty line="`+want+`"`) {
			if time.Now().After(deadline) {
				t.Fatalf("no line %q in %s", want, log.String())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("not a program"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("\x7fELF nonsense"), 0o755); err != nil {
		t.Fatal(err)
	}
	quits := filepath.Join(dir, "quits")
	if err := os.WriteFile(quits, []byte("#!/bin/sh\necho no licence found >&2\nexit 4\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ spec, want string }{
		{"noisy", `it printed "loading weights..." on standard output where the handshake belongs; print on standard error instead`},
		{quits, `no handshake came, exit status 4, its last words were "no licence found"`},
		{"silent", "it was not ready after 400ms"},
		{"future", "it speaks version 7 of the protocol, this host version 0"},
		{"misled", "want an existing unix socket"},
		{"chatter", `it printed "xxx`},
		{"fawlty", `unknown strategy "fawlty"; did you mean "faulty"? (an executable needs a path, such as ./fawlty)`},
		{"faulty:falt=x", `unknown parameter "falt"; did you mean "fault"?`},
		{"faulty:document=-1", "0 to 1000"},
		{filepath.Join(dir, "absent"), "no such file"},
		{dir + "/", "it is a folder"},
		{text, "not executable; run chmod +x"},
		{broken, "execute the file"},
	} {
		t.Run(c.spec, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			if c.spec == "silent" {
				o.StartTimeout = 400 * time.Millisecond
			}
			o.TempDir = shortTempDir(t)
			p, err := Open(t.Context(), c.spec, o)
			if err == nil {
				_ = p.Close()
				t.Fatal("it starts")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if left := entries(t, o.TempDir); len(left) > 0 {
				t.Errorf("it leaves %v", left)
			}
		})
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, "silent", options(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// script writes an executable that runs a fixture: an external plugin.
func script(t *testing.T, path, fixture, comment string) {
	t.Helper()
	text := "#!/bin/sh\n# " + comment + "\nexec '" + self().Path + "' serve " + fixture + "\n"
	// Another test may fork while the file is open for writing, which makes it
	// impossible to execute: write it under another name, in a child's place.
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		t.Fatal(err)
	}
}

func TestExternalExecutable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine")
	script(t, path, "faulty", "version 1")
	o := options(t)
	p := open(t, path+":document=3", o)
	identity := p.Identity()
	if identity.Name != "faulty" || identity.Version != "1" || identity.Params != "document=3,fault=,once=" || len(identity.SHA256) != 64 {
		t.Errorf("identity %+v", identity)
	}
	if s := identity.String(); s != "faulty 1 (document=3,fault=,once=) sha256:"+identity.SHA256 {
		t.Errorf("identity %q", s)
	}
	if p.Info().Name != "faulty" || p.Spec().Name != "faulty" {
		t.Errorf("info %+v, spec %+v", p.Info(), p.Spec())
	}

	o.SHA256 = strings.ToUpper(identity.SHA256)
	pinned := open(t, path, o)
	got, err := fill(t.Context(), pinned.Strategy(), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got)

	// A new file with the same content may replace it, another content may not.
	script(t, path, "faulty", "version 1")
	kill(t, pinned)
	if got, err = fill(t.Context(), pinned.Strategy(), 2, nil); err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got)
	script(t, path, "faulty", "version 2")
	kill(t, p)
	if _, err := fill(t.Context(), p.Strategy(), 2, nil); !errors.Is(err, ErrChanged) {
		t.Errorf("another executable: %v", err)
	}
	if _, err := Open(t.Context(), path, o); err == nil || !strings.Contains(err.Error(), "is pinned") {
		t.Errorf("another executable than the pinned: %v", err)
	}
}

// TestDescriptionChanges: a plugin that comes back as another one is refused.
func TestDescriptionChanges(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	script(t, real, "faulty", "")
	path := filepath.Join(dir, "mine")
	script(t, path, "faulty", "")
	// The executable stays the same, what it runs does not.
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\nexec '"+real+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	p := open(t, path, options(t))
	script(t, real, "planning", "")
	kill(t, p)
	if _, err := fill(t.Context(), p.Strategy(), 1, nil); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
}

// kill kills the plugin's process and waits until the host has noticed.
func kill(t *testing.T, p *Plugin) {
	t.Helper()
	process := p.supervisor.current.(*pluginProcess).run.process
	if err := process.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-process.exited
}
