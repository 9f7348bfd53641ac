package docstest

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors/kafka/kafkatest"
)

// A session is what a page shows on Kafka: the commands of its blocks with kafka=.
type session struct {
	addr  string // of the broker, as the page shows it
	steps []step
	exits []int // a status for each step
}

func (s *session) add(b block, steps []step) {
	s.addr = b.kafka
	s.steps = append(s.steps, steps...)
	s.exits = append(s.exits, make([]int, len(steps))...)
	s.exits[len(s.exits)-1] = b.exit
}

// run runs the commands against a real broker, and returns the outputs that differ.
func (s *session) run(t *testing.T, shellOf func() *shell) []edit {
	t.Helper()
	if os.Getenv("A3_KAFKA") != "start" {
		t.Skip("not run against a real Kafka: set A3_KAFKA to start, for these commands need one of their own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), blockTimeout)
	defer cancel()
	addr := freeOr(t, s.addr)
	broker, err := kafkatest.StartAt(ctx, t.TempDir(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Kill(); err != nil {
			t.Error(err)
		}
	})
	bin := t.TempDir()
	if err := broker.InstallTools(bin); err != nil {
		t.Fatal(err)
	}
	sh := *shellOf()
	sh.env = append(sh.env, "PATH="+bin+string(os.PathListSeparator)+lookup(sh.env, "PATH"))
	texts := commands(s.steps)
	if broker.Addr != addr { // the last of two variables holds
		t.Logf("somebody listens at %s: the broker is at %s", s.addr, broker.Addr)
		sh.env = append(sh.env, "BROKER="+broker.Addr)
		for i := range texts {
			texts[i] = strings.ReplaceAll(texts[i], s.addr, broker.Addr)
		}
	}
	start := time.Now()
	results, err := sh.run(ctx, texts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the commands took %v", time.Since(start).Round(time.Second))
	var edits []edit
	for i := range s.steps {
		changes, problems := compare(s.steps[i:i+1], results[i:i+1], s.exits[i])
		edits = append(edits, changes...)
		for _, problem := range problems {
			t.Error(problem)
		}
	}
	checkTopics(ctx, t, broker.Addr)
	return edits
}

// freeOr returns the address on loopback if nobody listens there, else "".
func freeOr(t *testing.T, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "localhost" {
		t.Fatalf("kafka=%s is not localhost:PORT", addr)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return ""
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func lookup(env []string, name string) string {
	value := ""
	for _, v := range env {
		if after, ok := strings.CutPrefix(v, name+"="); ok {
			value = after
		}
	}
	return value
}

// checkTopics holds what has come out against what went in: each record once, none dead.
func checkTopics(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	in, out, dead := ids(ctx, t, admin, addr, "stories-in"), ids(ctx, t, admin, addr, "stories-out"), ids(ctx, t, admin, addr, "stories-dead")
	if len(in) == 0 || len(dead) > 0 {
		t.Errorf("%d ids went in, %d came out, %d are dead letters", len(in), len(out), len(dead))
	}
	for id, n := range in {
		if out[id] != n {
			t.Errorf("the record %s went in %d times and came out %d times", id, n, out[id])
		}
		delete(out, id)
	}
	for id := range out {
		t.Errorf("the record %s came out and did not go in", id)
	}
}

// ids counts the ids in a topic, as a reader of committed records sees them.
func ids(ctx context.Context, t *testing.T, admin *kadm.Client, addr, topic string) map[string]int {
	t.Helper()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	// Control records show that the end is reached, where a transaction is the last thing.
	reader, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	counts := map[string]int{}
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			var record struct{ ID json.RawMessage }
			if err := json.Unmarshal(r.Value, &record); err != nil || record.ID == nil {
				t.Errorf("%s/%d@%d is no record with an id: %s", topic, r.Partition, r.Offset, r.Value)
			}
			counts[string(record.ID)]++
		})
	}
	return counts
}
