package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/any-order/a3/pipeline/cli"
)

// A dry run on topics joins no group of others, writes nothing, and commits nothing.
func TestDryRunOnKafka(t *testing.T) {
	model := tinyModel(t)
	t.Chdir("../..")
	b := newBroker(t)
	for _, topic := range []string{"stories-in", "stories-out", "stories-dead"} {
		if err := b.CreateTopic(topic, 2, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.produce(t, "stories-in", append(documents(30), `{"id": "bad"}`))
	vars := map[string]string{"BROKER": b.ListenAddrs()[0], "JOURNAL": filepath.Join(t.TempDir(), "journal"), "METRICS": ":0"}
	for _, example := range []string{"kafka.yaml", "kafka-exactly-once.yaml"} {
		r := runExample(t, example, vars, "--dry-run", "--set", "model="+model)
		if r.code != cli.ExitOK {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		for _, want := range []string{
			" topic stories-in, 2 partitions; group a3", " is 31 records behind\n", "topic stories-out\n", "topic stories-dead\n",
			" 8 tried, 0 failed; ", "nothing was written or committed\n",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s: no %q in\n%s", example, want, r.stdout)
			}
		}
	}
	admin := kadm.NewClient(b.client)
	ends, err := admin.ListEndOffsets(bounded(t), "stories-out", "stories-dead")
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset != 0 {
			t.Errorf("%s/%d has %d records", o.Topic, o.Partition, o.Offset)
		}
	})
	for _, group := range []string{"a3", "a3-once", "a3-dry-run", "a3-once-dry-run"} {
		if commits, err := admin.FetchOffsets(bounded(t), group); err == nil && len(commits.Offsets()) > 0 {
			t.Errorf("group %s has commits %v", group, commits.Offsets())
		}
	}
	if r := runExample(t, "kafka.yaml", vars, "--dry-run", "--set", "model="+model, "--set", "output.kafka.topic=nowhere"); r.code == cli.ExitOK || !strings.Contains(r.stderr, "topic nowhere is not on") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}
