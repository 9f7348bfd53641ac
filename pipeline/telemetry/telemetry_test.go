package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/any-order/a3/pipeline/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server and returns what gets a path from it.
func serve(t *testing.T, m *telemetry.Metrics, h *telemetry.Health) func(path string) (int, string) {
	t.Helper()
	s, err := telemetry.Serve(":0", m, h)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.Address(), "127.0.0.1:") {
		t.Errorf("without a host it listens on %s", s.Address())
	}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return func(path string) (int, string) {
		t.Helper()
		resp, err := client.Get("http://" + s.Address() + path)
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
}

// tell tells metrics something of everything.
func tell(m *telemetry.Metrics) {
	m.Running(telemetry.Run{Job: "infill", Model: "abc"})
	m.Entered("compute", 3)
	m.Left("compute", 1, 1, 1, 20*time.Millisecond)
	m.Document("written")
	m.Tokens("filled", 7)
	m.ModelCalls(4)
	m.Batch(16, 0.5)
	m.Lag("stories-in", 3, 41)
	m.Rebalanced()
	m.Assigned(2)
	m.PluginRestarted("confidence")
	m.TrainingBegan()
	m.Trained(telemetry.Step{Done: 3, Steps: 10, Tokens: 100, Fill: 0.9, Loss: 2.5, GradNorm: 0.1, Saved: true, Took: time.Second})
}

func TestMetrics(t *testing.T) {
	m := telemetry.NewMetrics()
	get := serve(t, m, telemetry.NewHealth())
	tell(m)
	status, text := get("/metrics")
	if status != http.StatusOK {
		t.Fatal(status, text)
	}
	for _, want := range []string{
		`a3_run_info{compute="",cpu="",job="infill",model="abc",strategy="",version=""} 1`,
		`a3_stage_in_total{stage="compute"} 3`,
		`a3_stage_out_total{stage="compute"} 1`,
		`a3_stage_errors_total{stage="compute"} 1`,
		`a3_stage_dropped_total{stage="compute"} 1`,
		`a3_stage_latency_seconds_bucket{stage="compute",le="0.1"} 1`,
		`a3_stage_latency_seconds_bucket{stage="compute",le="0.01"} 0`,
		`a3_documents_total{fate="written"} 1`,
		`a3_tokens_total{phase="filled"} 7`,
		`a3_tokens_total{phase="trained"} 100`,
		`a3_model_calls_total 4`,
		`a3_batch_size_sum 16`,
		`a3_batch_fill_ratio_sum 1.4`,
		`a3_consumer_lag{partition="3",topic="stories-in"} 41`,
		`a3_partitions_assigned 2`,
		`a3_rebalance_total 1`,
		`a3_plugin_restarts_total{plugin="confidence"} 1`,
		`a3_training_step 3`,
		`a3_training_steps 10`,
		`a3_training_loss 2.5`,
		`a3_training_gradient_norm 0.1`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	if !regexp.MustCompile(`(?m)^a3_checkpoint_age_seconds 0\.\d+|^a3_checkpoint_age_seconds \d`).MatchString(text) {
		t.Error("no age of the checkpoint")
	}
	m.Unassigned("stories-in", 3)
	if _, text := get("/metrics"); strings.Contains(text, "a3_consumer_lag{") {
		t.Error("the lag of a partition that is another worker's")
	}
}

// The catalog is what is served, no more and no less, with its help.
func TestCatalog(t *testing.T) {
	m := telemetry.NewMetrics()
	get := serve(t, m, telemetry.NewHealth())
	if _, text := get("/metrics"); strings.Contains(text, "a3_checkpoint_age_seconds ") {
		t.Error("a job that does not train has a checkpoint's age")
	}
	tell(m)
	_, text := get("/metrics")
	served := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (a3_\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		served[match[1]] = match[2]
	}
	want := map[string]string{}
	for _, d := range telemetry.Catalog() {
		want[d.Name] = string(d.Kind)
		if d.Help == "" || strings.HasSuffix(d.Help, ".") {
			t.Errorf("%s: help %q", d.Name, d.Help)
		}
	}
	if !maps.Equal(served, want) {
		t.Errorf("served %v\nwant %v", slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(want)))
	}
}

func TestHealth(t *testing.T) {
	h := telemetry.NewHealth("model", "input")
	get := serve(t, telemetry.NewMetrics(), h)
	expect := func(path string, status int, want string) {
		t.Helper()
		if got, text := get(path); got != status || text != want+"\n" {
			t.Errorf("%s: %d %q, want %d %q", path, got, text, status, want)
		}
	}
	expect("/livez", 200, "live")
	expect("/readyz", 503, "waiting for model, input")
	h.Met("model")
	expect("/readyz", 503, "waiting for input")
	h.Met("input")
	h.Met("input")
	expect("/readyz", 200, "ready")
	h.Lost("input")
	h.Lost("input")
	expect("/readyz", 503, "waiting for input")
	h.Met("input")
	h.Drain()
	expect("/readyz", 503, "draining")
	expect("/livez", 200, "live")
	if status, _ := get("/other"); status != 404 {
		t.Errorf("status %d of a page that is not there", status)
	}
}

func TestServeWhereOthersDo(t *testing.T) {
	m, h := telemetry.NewMetrics(), telemetry.NewHealth()
	first, err := telemetry.Serve("127.0.0.1:0", m, h)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close(t.Context())
	if _, err := telemetry.Serve(first.Address(), m, h); err == nil || !strings.Contains(err.Error(), "serve metrics") {
		t.Errorf("error %v", err)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not this")
	log.Warn("this", "n", 3)
	var line struct {
		Level, Msg string
		N          int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "WARN" || line.Msg != "this" || line.N != 3 {
		t.Errorf("%s: %v", out.Bytes(), err)
	}
	for _, c := range [][2]string{{"xml", "info"}, {"text", "loud"}} {
		if _, err := telemetry.NewLogger(&out, c[0], c[1]); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}
