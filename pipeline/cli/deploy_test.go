package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The workers of docker-compose.yml and of the Kubernetes manifest run as they stand there:
// on a broker in memory, until its topic ends.
func TestDeployedWorkers(t *testing.T) {
	b := newBroker(t)
	for _, topic := range []string{"stories-in", "stories-out", "stories-dead"} {
		if err := b.CreateTopic(topic, 2, nil); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer(
		"kafka:9092", b.ListenAddrs()[0], "?group=a3", "?group=a3&until=end",
		"0.0.0.0:9464", "127.0.0.1:0", "${A3_MODEL:-}", "",
	)
	var compose struct {
		Services map[string]struct{ Command []string }
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../../docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	worker := compose.Services["worker"].Command
	for i := range worker {
		worker[i] = here.Replace(worker[i])
	}

	job := ""
	for object := range strings.SplitSeq(readFile(t, "../deploy/kubernetes.yaml"), "\n---\n") {
		var config struct {
			Data map[string]string
		}
		if err := yaml.Unmarshal([]byte(object), &config); err != nil {
			t.Fatal(err)
		}
		job += config.Data["job.yaml"]
	}
	t.Setenv("POD", "a3-worker-0")
	dir := t.TempDir()
	pod := []string{
		"run", "--set", "input.kafka.until=end", "--set", "delivery.journal=" + filepath.Join(dir, "journal"),
		"--set", "compute={}", // the CPU level is one that this machine may lack
		writeFile(t, filepath.Join(dir, "job.yaml"), here.Replace(job)),
	}

	for i, args := range [][]string{worker, pod} {
		b.produce(t, "stories-in", documents(10)) // the second worker goes on in the group of the first
		succeed(t, args...)
		if out := b.consume(t, "stories-out", 10*(i+1)); len(out) != 10*(i+1) {
			t.Errorf("%s: %d results, want %d", strings.Join(args, " "), len(out), 10*(i+1))
		}
	}
}
