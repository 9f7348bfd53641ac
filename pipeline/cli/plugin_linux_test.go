package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/any-order/a3/pipeline/cli"
)

// A strategy that is killed, again and again, in the middle of its work changes nothing.
func TestSameBytesWhenThePluginIsKilled(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(120)
	in := writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs))
	for _, strategy := range []string{"confidence", "random"} {
		base := []string{"infill", "--quiet", "--model", model, "--strategy", strategy, "--temperature", "0.8"}
		want := succeed(t, append(slices.Clone(base), "--in-process", in)...)

		cmd := process(t, append(base, "--batch", "8")...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout := newLineCounter()
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kills := 0
		for at := 0; at < len(docs); at += 20 {
			if _, err := io.WriteString(stdin, text(docs[at:at+20])); err != nil {
				t.Fatal(err)
			}
			stdout.wait(t, at+5) // it is in the middle of these twenty, or just behind
			for _, pid := range plugins(t, cmd.Process.Pid) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
					kills++
				}
			}
		}
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%s: %v\n%s", strategy, err, &stderr)
		}
		if got := stdout.text(); got != want {
			t.Errorf("%s: other bytes:\n%s", strategy, firstDifference(lines(want), lines(got)))
		}
		if kills < 3 {
			t.Errorf("%s: only %d plugins were killed", strategy, kills)
		}
	}
}

// A restart of a strategy shows in the metrics.
func TestRestartsAreCounted(t *testing.T) {
	cmd := process(t, "infill", "--model", tinyModel(t), "--metrics-addr", ":0", "--log-format", "json", "--log-level", "info")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := newLineCounter(), newLineCounter()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, 1)
	var serving logLine
	if err := json.Unmarshal([]byte(lines(stderr.text())[0]), &serving); err != nil {
		t.Fatal(err)
	}
	feed := func(docs []string, written int) {
		t.Helper()
		if _, err := io.WriteString(stdin, text(docs)); err != nil {
			t.Fatal(err)
		}
		stdout.wait(t, written)
	}
	docs := documents(4)
	feed(docs[:2], 2)
	for _, pid := range plugins(t, cmd.Process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	feed(docs[2:], 4)
	resp, err := http.Get("http://" + serving.Address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if n := value(t, string(metrics), `a3_plugin_restarts_total{plugin="confidence"}`); n != 1 {
		t.Errorf("%v restarts\n%s", n, stderr.text())
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.text())
	}
}

// A host that is killed takes its plugin with it.
func TestNoPluginOutlivesItsHost(t *testing.T) {
	cmd := process(t, "infill", "--quiet", "--model", tinyModel(t))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout := newLineCounter()
	cmd.Stdout = stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, text(documents(1))); err != nil {
		t.Fatal(err)
	}
	stdout.wait(t, 1)
	running := plugins(t, cmd.Process.Pid)
	if len(running) != 1 {
		t.Fatalf("%d plugins run", len(running))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for wait := time.Now(); isPlugin(running[0]); time.Sleep(5 * time.Millisecond) {
		if time.Since(wait) > 20*time.Second {
			t.Fatalf("plugin %d is alive 20 s after its host", running[0])
		}
	}
}

// plugins returns the strategy processes of a host.
func plugins(t *testing.T, host int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, ok := bytes.Cut(stat, []byte(") ")) // behind the name: state, parent
		if !ok {
			continue
		}
		var state string
		var parent int
		if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil || parent != host {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && isPlugin(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func isPlugin(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(cmdline), "\x00serve-plugin\x00")
}

// A strategy that does not come up is an error before any record is read.
func TestPluginThatCannotBeStarted(t *testing.T) {
	script := filepath.Join(t.TempDir(), "quiet.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		script:              "quiet.sh",
		"/nowhere/strategy": "/nowhere/strategy",
		"confidnce":         "confidence",
	} {
		r := run(t, strings.NewReader(""), "infill", "--model", tinyModel(t), "--strategy", spec)
		if r.code != cli.ExitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d\n%s", spec, r.code, r.stderr)
		}
	}
}
