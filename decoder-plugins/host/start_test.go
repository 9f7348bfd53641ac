//go:build unix

package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
		{"future", "it speaks version 7 of the protocol, this host version 1"},
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

// TestDirectory: a name that is not built in is a file of the plugin directory.
func TestDirectory(t *testing.T) {
	o := options(t)
	o.Directory = t.TempDir()
	script(t, filepath.Join(o.Directory, "mine"), "faulty", "mine")
	script(t, filepath.Join(o.Directory, "planning"), "faulty", "hidden by the built-in one")
	p := open(t, "mine:document=9", o)
	if id := p.Identity(); id.Name != "faulty" || id.SHA256 == "" || !strings.Contains(id.Params, "document=9") {
		t.Errorf("identity %+v", id)
	}
	got, err := fill(t.Context(), p.Strategy(), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got)
	if id := open(t, "planning", o).Identity(); id.Name != "planning" || id.SHA256 != "" {
		t.Errorf("a file hides the built-in strategy: %+v", id)
	}
	if _, err := Open(t.Context(), "their", o); err == nil || !strings.Contains(err.Error(), "nor is it a file in "+o.Directory) {
		t.Errorf("got %v", err)
	}
}

// TestAutoMTLS: with certificates on both sides everything works as without, restarts
// included.
func TestAutoMTLS(t *testing.T) {
	o := options(t)
	o.AutoMTLS = true
	p := open(t, "faulty:fault=exit,document=2,once="+filepath.Join(t.TempDir(), "once"), o)
	got, err := fill(t.Context(), p.Strategy(), 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got)
}

// TestRestart: a restart between steps changes nothing.
func TestRestart(t *testing.T) {
	var r restarts
	o := options(t)
	o.OnRestart = r.on
	p := open(t, "faulty", o)
	first := p.PID()
	got, err := fill(t.Context(), p.Strategy(), 3, func(step int) {
		if step%2 == 1 {
			if err := p.Restart(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got)
	if p.PID() == first || len(r.causes) != 0 {
		t.Errorf("process %d after %d, failures %v", p.PID(), first, r.causes)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Restart(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("a restart after the end: %v", err)
	}
}
