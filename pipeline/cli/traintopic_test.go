package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/cli"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

// feed produces numbered documents, some of several chunks, and every tenth no document.
func (b *broker) feed(t *testing.T, topic string, from, to int) {
	t.Helper()
	var values []string
	for i, story := range modelstest.Stories(to)[from:] {
		n := from + i
		switch {
		case n%10 == 9:
			values = append(values, `{"id": "bad"}`)
		case n%7 == 3:
			values = append(values, fmt.Sprintf(`{"id": "doc %d", "text": %q}`, n, strings.Repeat(story+" ", 4)))
		default:
			values = append(values, fmt.Sprintf(`{"id": "doc %d", "text": %q}`, n, story))
		}
	}
	b.produce(t, topic, values)
}

// streamRun is the configuration of a run over a topic, with stages that end early.
func streamRun(t *testing.T, dir string, steps int) string {
	t.Helper()
	run := strings.Replace(tinyRun, "steps: 60", fmt.Sprintf("steps: %d", steps), 1)
	run = strings.Replace(run, "context: 48", "context: 32", 1)
	return writeFile(t, filepath.Join(dir, "stream.yaml"), run+`
curriculum:
- {name: first, steps: 10, phases: [ltr], advance: {order: ltr, patience: 1, min_delta: 100, every: 4}}
- {name: second, phases: ["spans=0.5,ltr=0.5"]}
`)
}

// chunk names a chunk of a document of a topic.
type chunk struct {
	topic     string
	partition int32
	offset    int64
	chunk     int
}

// recorded returns how often each chunk was trained in the steps of a recording, and
// which offsets were trained to their end.
func recorded(t *testing.T, dir string, steps int) (chunks map[chunk]int, whole map[int32]map[int64]bool) {
	t.Helper()
	replay, err := batching.OpenReplay(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer replay.Close()
	chunks, whole = map[chunk]int{}, map[int32]map[int64]bool{}
	for step := range steps {
		batch, err := replay.Next(t.Context(), step)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Segments() {
			row := batch.Row(i)
			chunks[chunk{row.Stream, row.Partition, row.Offset, row.Chunk}]++
			if row.Last {
				if whole[row.Partition] == nil {
					whole[row.Partition] = map[int64]bool{}
				}
				whole[row.Partition][row.Offset] = true
			}
		}
		batch.Release()
	}
	return chunks, whole
}

// logged waits until the log of a run has lines of so many steps.
func logged(t *testing.T, dir string, steps int) {
	t.Helper()
	late := time.Now().Add(30 * time.Second)
	for {
		log, _ := os.ReadFile(filepath.Join(dir, "train.jsonl"))
		if bytes.Count(log, []byte("\n")) > steps { // one is of the start
			return
		}
		if time.Now().After(late) {
			t.Fatalf("no %d steps after 30 s, but\n%s", steps, log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// commitElsewhere moves the group in one partition to where the run in a directory does not
// stand: before it, or behind records that it has not trained.
func (b *broker) commitElsewhere(t *testing.T, topic string, partition int32, dir string) {
	t.Helper()
	last, _, err := checkpoint.Latest(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	at := last.Manifest.Offsets[fmt.Sprintf("%s/%d", topic, partition)] + 3
	if partition == 0 {
		at = 0
	}
	admin := kadm.NewClient(b.client)
	// A worker that was killed is a member until its session ends, and nobody else may commit.
	if _, err := admin.LeaveGroup(bounded(t), kadm.LeaveGroup("train").InstanceIDs("one")); err != nil {
		t.Fatal(err)
	}
	commit := kadm.Offsets{}
	commit.AddOffset(topic, partition, at, -1)
	if err := admin.CommitAllOffsets(bounded(t), "train", commit); err != nil {
		t.Fatal(err)
	}
	commits, err := admin.FetchOffsetsForTopics(bounded(t), "train", topic)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := commits.Lookup(topic, partition); !ok || o.At != at {
		t.Fatalf("the group is at %d, not at %d", o.At, at)
	}
}

// A run over a topic that is killed, and stopped while it waits for documents, goes on from
// the offsets of its checkpoint, whatever the group has committed: each chunk is trained
// once, none is passed over. Its recording gives the same model.
func TestTrainOnTopic(t *testing.T) {
	needUnix(t)
	const steps, partitions = 60, 3
	b, dir := newBroker(t), t.TempDir()
	topic := b.topic(t, partitions)
	held := writeFile(t, filepath.Join(dir, "held.jsonl"), `{"id": "doc 5", "text": "A held-out text."}`+"\n"+`{"text": "Another one."}`+"\n")
	config, tok := streamRun(t, dir, steps), tinyModel(t)+"/tokenizer.json"
	out, recording := filepath.Join(dir, "run"), filepath.Join(dir, "batches")
	args := []string{"train", "--config", config, "--tokenizer", tok, "--held-out-file", held, b.address(topic) + "?group=train&instance=one"}
	job := append(args, "-o", out, "--record", recording)

	b.feed(t, topic, 0, 40)
	fed := 40
	for i, signal := range []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		cmd := process(t, job...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		logged(t, out, 7*(i+1))
		_ = cmd.Process.Signal(signal)
		err := cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || signal == syscall.SIGTERM && exit.ExitCode() != cli.ExitStopped {
			t.Fatalf("%v: %v\n%s", signal, err, stderr.String())
		}
		b.commitElsewhere(t, topic, int32(i), out)
		b.feed(t, topic, fed, fed+60)
		fed += 60
	}
	b.feed(t, topic, fed, 600)
	succeed(t, job...)

	last, _, err := checkpoint.Latest(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if last.Manifest.Step != steps || len(last.Manifest.Offsets) != partitions {
		t.Errorf("step %d, offsets %v", last.Manifest.Step, last.Manifest.Offsets)
	}
	chunks, whole := recorded(t, recording, steps)
	for c, n := range chunks {
		if n != 1 {
			t.Errorf("%+v was trained %d times", c, n)
		}
	}
	for _, rec := range b.consume(t, topic, 600) {
		next := last.Manifest.Offsets[fmt.Sprintf("%s/%d", topic, rec.Partition)]
		trains := !strings.HasPrefix(string(rec.Value), `{"id": "bad"`) && !strings.Contains(string(rec.Value), `"doc 5"`)
		if want := trains && rec.Offset < next; whole[rec.Partition][rec.Offset] != want {
			t.Errorf("%s/%d@%d, trained up to %d: %v, want %v", topic, rec.Partition, rec.Offset, next, !want, want)
		}
	}

	// What the group is told is what was trained.
	commits, err := kadm.NewClient(b.client).FetchOffsetsForTopics(bounded(t), "train", topic)
	if err != nil {
		t.Fatal(err)
	}
	for id := range int32(partitions) {
		next := last.Manifest.Offsets[fmt.Sprintf("%s/%d", topic, id)]
		if o, ok := commits.Lookup(topic, id); !ok || o.At < next || whole[id][o.At] {
			t.Errorf("partition %d: trained up to %d, the group is at %d", id, next, o.At)
		}
	}

	again := filepath.Join(dir, "again")
	succeed(t, append(args, "-o", again, "--replay", recording)...)
	if a, b := readFile(t, filepath.Join(out, "model", "model.safetensors")), readFile(t, filepath.Join(again, "model", "model.safetensors")); a != b {
		t.Error("the recording gives another model")
	}
}

// A topic that is read to its end trains all of it, says so, and goes on when there is
// more. A share of its documents is held out, the same in all processes.
func TestTrainToTheEndOfTopic(t *testing.T) {
	b, dir := newBroker(t), t.TempDir()
	topic := b.topic(t, 1)
	config := streamRun(t, dir, 1000)
	writeFile(t, config, readFile(t, config)+"held_out_share: 0.1\n")
	out, recording := filepath.Join(dir, "run"), filepath.Join(dir, "batches")
	job := []string{"train", "--config", config, "--init", tinyModel(t), "-o", out, "--record", recording, b.address(topic) + "?group=train&until=end"}
	var kept string
	for fed := range 2 {
		b.feed(t, topic, 100*fed, 100*(fed+1))
		r := run(t, nil, job...)
		if r.code != cli.ExitOK || !strings.Contains(r.stderr, "are used up after step ") || !strings.Contains(r.stderr, "left out "+topic+"/0@") {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		if was := kept; fed == 0 {
			kept = readFile(t, filepath.Join(out, "held-out.jsonl"))
		} else if kept = readFile(t, filepath.Join(out, "held-out.jsonl")); kept != was {
			t.Errorf("held out were\n%s, are\n%s", was, kept)
		}
	}
	if n := strings.Count(kept, "\n"); n != 4 {
		t.Errorf("%d documents are held out:\n%s", n, kept)
	}
	last, _, err := checkpoint.Latest(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	chunks, whole := recorded(t, recording, int(last.Manifest.Step))
	for c, n := range chunks {
		if n != 1 {
			t.Errorf("%+v was trained %d times", c, n)
		}
	}
	heldOut := 0
	for _, rec := range b.consume(t, topic, 200) {
		if bad := strings.HasPrefix(string(rec.Value), `{"id": "bad"`); bad == whole[0][rec.Offset] {
			heldOut++
			if bad {
				t.Errorf("%s was trained", rec.Value)
			}
		}
	}
	if heldOut < 4 || heldOut > 50 {
		t.Errorf("%d documents were not trained", heldOut)
	}

	other := b.topic(t, 1)
	r := run(t, nil, append(job[:len(job)-1:len(job)-1], b.address(other)+"?group=train&until=end")...)
	if want := "was trained on " + topic + ", not on " + other; r.code != cli.ExitUsage || !strings.Contains(r.stderr, want) {
		t.Errorf("exit code %d, want %s\n%s", r.code, want, r.stderr)
	}
}

// Records behind the checkpoint are removed before they are learned: the run says so, and goes
// on without them only if it is told to.
func TestTrainSkipsLost(t *testing.T) {
	b, dir := newBroker(t), t.TempDir()
	topic := b.topic(t, 1)
	config, out := streamRun(t, dir, 1000), filepath.Join(dir, "run")
	held := writeFile(t, filepath.Join(dir, "held.jsonl"), `{"text": "A held-out text."}`+"\n")
	job := []string{"train", "--config", config, "--init", tinyModel(t), "-o", out, "--held-out-file", held, b.address(topic) + "?group=train&until=end"}
	b.feed(t, topic, 0, 60)
	succeed(t, job...)
	b.feed(t, topic, 60, 120)
	gone := kadm.Offsets{}
	gone.AddOffset(topic, 0, 80, -1)
	if _, err := kadm.NewClient(b.client).DeleteRecords(bounded(t), gone); err != nil {
		t.Fatal(err)
	}
	r := run(t, nil, job...)
	if r.code != cli.ExitUsage || !strings.Contains(r.stderr, topic+"/0, which begins at 80 by now") || !strings.Contains(r.stderr, "go on without them by --skip-lost") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	r = run(t, nil, append(job, "--skip-lost")...)
	if r.code != cli.ExitOK || !strings.Contains(r.stderr, "goes on at offset 80 of "+topic+"/0") || !strings.Contains(r.stderr, "are used up") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

// A run learns from several topics: the manifest has the offsets of each, and a run that
// goes on, goes on in each.
func TestTrainOnTwoTopics(t *testing.T) {
	b, dir := newBroker(t), t.TempDir()
	topics := []string{b.topic(t, 2), b.topic(t, 1)}
	config := streamRun(t, dir, 1000)
	out, recording := filepath.Join(dir, "run"), filepath.Join(dir, "batches")
	held := writeFile(t, filepath.Join(dir, "held.jsonl"), `{"text": "A held-out text."}`+"\n")
	job := []string{"train", "--config", config, "--init", tinyModel(t), "-o", out, "--record", recording, "--held-out-file", held,
		b.address(topics[0]) + "," + topics[1] + "?group=train&until=end"}
	for fed := range 2 {
		b.feed(t, topics[0], 100*fed, 100*fed+50)
		b.feed(t, topics[1], 100*fed+50, 100*(fed+1))
		if r := run(t, nil, job...); r.code != cli.ExitOK {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
	}
	last, _, err := checkpoint.Latest(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	chunks, _ := recorded(t, recording, int(last.Manifest.Step))
	trained := map[string]bool{}
	for c, n := range chunks {
		if trained[fmt.Sprintf("%s/%d@%d", c.topic, c.partition, c.offset)] = true; n != 1 {
			t.Errorf("%+v was trained %d times", c, n)
		}
	}
	for _, topic := range topics {
		for _, rec := range b.consume(t, topic, 100) {
			next, bad := last.Manifest.Offsets[fmt.Sprintf("%s/%d", topic, rec.Partition)], strings.HasPrefix(string(rec.Value), `{"id": "bad"`)
			if at := fmt.Sprintf("%s/%d@%d", topic, rec.Partition, rec.Offset); trained[at] == bad || !bad && rec.Offset >= next {
				t.Errorf("%s of a run up to %d: trained %v", at, next, trained[at])
			}
		}
	}
}

// A dry run takes one step and tells neither the broker nor the directory.
func TestDryRunOnTopic(t *testing.T) {
	b, dir := newBroker(t), t.TempDir()
	topic := b.topic(t, 2)
	b.feed(t, topic, 0, 40)
	config := writeFile(t, filepath.Join(dir, "job.yaml"), fmt.Sprintf(`
input: %q
job:
  train: {directory: %q, init: %q, batch: 128, model: {context: 32}, optimizer: {steps: 50}}
`, b.address(topic)+"?group=train", filepath.Join(dir, "run"), tinyModel(t)))
	if stdout := succeed(t, "run", "--dry-run", config); !strings.Contains(stdout, "# one step was taken") {
		t.Errorf("said\n%s", stdout)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
		t.Error("the directory was made")
	}
	commits, err := kadm.NewClient(b.client).FetchOffsets(bounded(t), "train")
	if err == nil && len(commits.Offsets()) > 0 {
		t.Errorf("the group has commits %v", commits.Offsets())
	}
}
