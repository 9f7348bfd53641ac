package host

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// pluginRunner adapts a process to go-plugin, which would otherwise start it itself: with
// our standard input, in our process group, and without a way to kill its children.
// It implements runner.Runner.
type pluginRunner struct {
	command Command
	env     []string
	log     func(line string)

	mu      sync.Mutex
	killed  bool     // guarded by mu; Kill came, before Start or after
	process *process // guarded by mu until Start has returned; set by it
}

func (r *pluginRunner) Start(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return context.Canceled
	}
	cmd := exec.Command(r.command.Path, r.command.Args...)
	cmd.Env = r.env
	p, err := startProcess(cmd, r.log)
	r.process = p
	return err
}

func (r *pluginRunner) Wait(context.Context) error {
	<-r.process.exited
	return r.process.err
}

func (r *pluginRunner) Kill(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	if r.process != nil {
		r.process.kill()
	}
	return nil
}

func (r *pluginRunner) Stdout() io.ReadCloser { return r.process.firstly }

// Stderr is empty: the process logs its lines itself.
func (r *pluginRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (r *pluginRunner) Name() string { return r.command.Path }

func (r *pluginRunner) ID() string {
	if r.process == nil {
		return ""
	}
	return strconv.Itoa(r.process.cmd.Process.Pid)
}

func (r *pluginRunner) Diagnose(context.Context) string { return "" }

// PluginToHost accepts unix sockets in plain files alone: a plugin that asks us to
// connect elsewhere is not one of ours.
func (r *pluginRunner) PluginToHost(network, address string) (string, string, error) {
	if info, err := os.Stat(address); network != "unix" || err != nil || info.Mode().Type() != os.ModeSocket {
		return "", "", &StartError{Path: r.command.Path, Reason: "the handshake names " + network + " " + strconv.Quote(address) + ", want an existing unix socket"}
	}
	return network, address, nil
}

func (r *pluginRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// allowedEnv returns the variables of environ that allow names.
func allowedEnv(environ, allow []string) []string {
	env := []string{} // not nil, which would mean everything
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		for _, a := range allow {
			if name == a {
				env = append(env, kv)
			}
		}
	}
	return env
}
