package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/any-order/a3/pipeline/cli"
)

// logLine is a line of the log in JSON.
type logLine struct {
	Level, Msg, Address, Origin, Reason string
	Records, Written, Failed, Tokens    int
}

// A job says in its log where it is watched, is ready when all is connected, drains when
// it is stopped, and its metrics agree with its summary.
func TestWatchedJob(t *testing.T) {
	stdin, feed := io.Pipe()
	logs, log := io.Pipe()
	stop, code := make(chan struct{}), make(chan int, 1)
	stdout := newLineCounter()
	go func() {
		code <- cli.Run(t.Context(), cli.Env{
			Args:  []string{"infill", "--model", tinyModel(t), "--in-process", "--metrics-addr", ":0", "--log-format", "json", "--log-level", "info"},
			Stdin: stdin, Stdout: stdout, Stderr: log, Environ: environ(), Stop: stop,
		})
		log.Close()
	}()
	lines := bufio.NewScanner(logs)
	next := func() (l logLine) {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the log has ended")
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		return l
	}
	server := "http://" + next().Address
	if _, err := io.WriteString(feed, text(documents(8))+"{\"id\": \"bad\"}\n"); err != nil {
		t.Fatal(err)
	}
	if l := next(); l.Level != "WARN" || l.Msg != "record failed" || l.Origin != "-:9" || !strings.Contains(l.Reason, "text") {
		t.Errorf("log %+v", l)
	}
	stdout.wait(t, 8)

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := client.Get(server + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, text := get("/livez"); status != 200 {
		t.Errorf("/livez: %d %s", status, text)
	}
	if status, text := get("/readyz"); status != 200 {
		t.Errorf("/readyz: %d %s", status, text)
	}
	_, metrics := get("/metrics")
	late := time.After(30 * time.Second) // what is written is told of a moment later
	for value(t, metrics, `a3_stage_out_total{stage="write"}`) < 8 || value(t, metrics, `a3_stage_out_total{stage="dead_letters"}`) < 1 {
		select {
		case <-late:
			t.Fatal(metrics)
		case <-time.After(5 * time.Millisecond):
		}
		_, metrics = get("/metrics")
	}
	for metric, want := range map[string]float64{
		`a3_stage_in_total{stage="read"}`:                 9,
		`a3_stage_errors_total{stage="prepare"}`:          1,
		`a3_stage_out_total{stage="compute"}`:             8,
		`a3_stage_out_total{stage="write"}`:               8,
		`a3_stage_out_total{stage="dead_letters"}`:        1,
		`a3_documents_total{fate="written"}`:              8,
		`a3_documents_total{fate="failed"}`:               1,
		`a3_stage_latency_seconds_count{stage="compute"}`: 8,
		`a3_batch_size_sum`:                               8,
		`a3_plugin_restarts_total{plugin="confidence"}`:   0,
	} {
		if got := value(t, metrics, metric); got != want {
			t.Errorf("%s is %v, want %v", metric, got, want)
		}
	}
	filled := value(t, metrics, `a3_tokens_total{phase="filled"}`)
	if given := value(t, metrics, `a3_tokens_total{phase="given"}`); filled != 8*6 || given < 8*10 {
		t.Errorf("%v tokens filled in %v given", filled, given)
	}
	if !regexp.MustCompile(`a3_run_info\{.*job="infill",model="[0-9a-f]+",strategy="confidence".*\} 1`).MatchString(metrics) {
		t.Error("no a3_run_info")
	}

	close(stop)
	if l := next(); !strings.Contains(l.Msg, "finishing what has been begun") {
		t.Errorf("log %+v", l)
	}
	if l := next(); l.Msg != "done" || l.Written != 8 || l.Failed != 1 || l.Tokens != int(filled) {
		t.Errorf("log %+v", l)
	}
	if l := next(); l.Level != "ERROR" || !strings.Contains(l.Msg, "stopped before the end of the input") {
		t.Errorf("log %+v", l)
	}
	if got := <-code; got != cli.ExitStopped {
		t.Errorf("exit code %d", got)
	}
	feed.Close()
}

// A worker of a group is ready when it has partitions, and says how far behind it is.
func TestWatchedWorker(t *testing.T) {
	b := newBroker(t)
	source, sink := b.topic(t, 2), b.topic(t, 1)
	logs, log := io.Pipe()
	stop, code := make(chan struct{}), make(chan int, 1)
	go func() {
		code <- cli.Run(t.Context(), cli.Env{
			Args: []string{"infill", b.address(source) + "?group=a3&instance=none", "-o", b.address(sink), "--model", tinyModel(t), "--in-process",
				"--metrics-addr", ":0", "--log-format", "json", "--log-level", "info"},
			Stdout: io.Discard, Stderr: log, Environ: environ(), Stop: stop,
		})
		log.Close()
	}()
	lines := bufio.NewScanner(logs)
	if !lines.Scan() {
		t.Fatal("no log")
	}
	var serving logLine
	if err := json.Unmarshal(lines.Bytes(), &serving); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, logs)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := client.Get("http://" + serving.Address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	late := time.After(30 * time.Second)
	for status, why := get("/readyz"); status != 200; status, why = get("/readyz") {
		select {
		case <-late:
			t.Fatalf("not ready: %s", why)
		case <-time.After(5 * time.Millisecond):
		}
	}
	_, metrics := get("/metrics")
	if n := value(t, metrics, "a3_partitions_assigned"); n != 2 {
		t.Errorf("%v partitions", n)
	}
	if n := value(t, metrics, "a3_rebalance_total"); n < 1 {
		t.Errorf("%v rebalances", n)
	}
	close(stop)
	if got := <-code; got != cli.ExitOK { // a topic has no end: to be stopped is its normal end
		t.Errorf("exit code %d", got)
	}
}

// value returns a metric's value, 0 if it is not there.
func value(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.SplitSeq(metrics, "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// Words on standard error are for people; with a level, the log's lines stand among them.
func TestWatchFlags(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	in := writeFile(t, filepath.Join(dir, "in.jsonl"), text(documents(2)))
	for _, c := range []struct{ args, want string }{
		{"--log-format xml", `--log-format is "xml"; use text or json`},
		{"--log-level loud", `--log-level is "loud"; use debug, info, warn or error`},
		{"--metrics-addr nowhere", `--metrics-addr: "nowhere" is not host:port`},
		{"--metrics-addr 192.0.2.1:1", "serve metrics: listen tcp 192.0.2.1:1"},
	} {
		r := run(t, nil, append([]string{"infill", "--model", model, in}, strings.Fields(c.args)...)...)
		if r.code != cli.ExitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: exit code %d\n%s", c.args, r.code, r.stderr)
		}
	}
	r := run(t, nil, "score", "--model", model, "--log-format", "json", "--log-level", "error", in)
	if r.code != cli.ExitOK || r.stderr != "" {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	if r := run(t, bytes.NewReader(nil), "score", "--model", model, "--log-format", "json", "nowhere.jsonl"); !strings.Contains(r.stderr, `"level":"ERROR"`) {
		t.Errorf("%s", r.stderr)
	}
}
