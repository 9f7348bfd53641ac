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
			victim := p.PID()
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

// TestStateSurvives: a strategy that goes by its state goes on in mid-document when its
// process is killed, however often.
func TestStateSurvives(t *testing.T) {
	for _, every := range []int{1, 2, 4} {
		p := open(t, "counting", options(t))
		got, err := fill(t.Context(), p.Strategy(), 4, func(step int) {
			if step > 0 && step%every == 0 {
				send(t, p.PID(), syscall.SIGKILL)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		wantFilled(t, got)
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
	victim := p.PID()
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
