package killtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka/kafkatest"
	"github.com/any-order/a3/pipeline/rows"
)

var (
	kills = flag.Int("kills", 4, "workers to kill in each mode")
	seed  = flag.Uint64("seed", 0, "of what happens when; 0 = another one each time")
)

const (
	workers    = 3
	partitions = 4
)

func TestKills(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("%d kills in each mode, seed %d: repeat with -seed %[2]d", *kills, *seed)
	brokers := cluster(t)
	for i, exactlyOnce := range []bool{false, true} {
		name := []string{"at least once", "exactly once"}[i]
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, brokers, exactlyOnce)
			h.kill(*kills)
			h.finish()
			h.check()
		})
	}
}

// cluster returns the addresses of the broker to use.
func cluster(t *testing.T) []string {
	t.Helper()
	switch where := os.Getenv("A3_KAFKA"); where {
	case "":
		t.Log("the broker is in memory: set A3_KAFKA for a real one")
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		return fake.ListenAddrs()
	case "start":
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		real, err := kafkatest.Start(ctx, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := real.Kill(); err != nil {
				t.Error(err)
			}
		})
		return []string{real.Addr}
	default:
		if !reachable(where) {
			t.Fatalf("nobody listens at A3_KAFKA=%s", where)
		}
		return []string{where}
	}
}

// harness runs the workers of one group.
type harness struct {
	*testing.T
	orders orders
	rng    *rand.Rand
	client *kgo.Client
	admin  *kadm.Client
	fed    []string
	ended  chan end
	alive  map[*exec.Cmd]*bytes.Buffer // what it said
	killed map[point]int
}

type end struct {
	cmd *exec.Cmd
	err error
}

func newHarness(t *testing.T, brokers []string, exactlyOnce bool) *harness {
	h := &harness{
		T: t, rng: rand.New(rand.NewPCG(*seed, 0)), ended: make(chan end, workers),
		alive: map[*exec.Cmd]*bytes.Buffer{}, killed: map[point]int{},
	}
	suffix := fmt.Sprint("-", time.Now().UnixNano())
	h.orders = orders{
		Brokers: brokers, In: "in" + suffix, Out: "out" + suffix, Dead: "dead" + suffix,
		ExactlyOnce: exactlyOnce, Dir: t.TempDir(), SessionTimeout: 1500 * time.Millisecond,
	}
	var err error
	if h.client, err = kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(h.orders.In), kgo.RecordPartitioner(kgo.RoundRobinPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.client.Close)
	h.admin = kadm.NewClient(h.client)
	if _, err := h.admin.CreateTopics(t.Context(), partitions, 1, nil, h.orders.In, h.orders.Out, h.orders.Dead); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after a failure: leave nobody behind
		for cmd := range h.alive {
			_ = cmd.Process.Kill()
		}
		for range len(h.alive) {
			<-h.ended
		}
	})
	return h
}

// feed puts n new documents in; some of them are bad. Each fifth record holds several, as
// rows of an Arrow stream.
func (h *harness) feed(n int) {
	h.Helper()
	var recs []*kgo.Record
	for n > 0 {
		if len(recs)%5 == 4 {
			objects := make([][]byte, min(n, 4))
			for i := range objects {
				objects[i] = []byte(h.document(`{"text":"%s%d"}`))
			}
			value, err := rows.Join(objects)
			if err != nil {
				h.Fatal(err)
			}
			recs = append(recs, &kgo.Record{Value: value, Headers: []kgo.RecordHeader{{Key: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeArrow)}}})
			n -= len(objects)
			continue
		}
		recs = append(recs, &kgo.Record{Value: []byte(h.document("%s%d"))})
		n--
	}
	if err := h.client.ProduceSync(h.Context(), recs...).FirstErr(); err != nil {
		h.Fatal(err)
	}
}

// document makes the next document; each tenth is bad.
func (h *harness) document(format string) string {
	kind := "doc"
	if len(h.fed)%10 == 9 {
		kind = "bad"
	}
	h.fed = append(h.fed, fmt.Sprintf(format, kind, len(h.fed)))
	return h.fed[len(h.fed)-1]
}

// isBad says whether a document is to fail.
func isBad(value string) bool { return strings.Contains(value, "bad") }

// start starts a worker that is to be killed at a point.
func (h *harness) start(at point) *exec.Cmd {
	h.Helper()
	o := h.orders
	o.Kill, o.After = at, 1+h.rng.Int64N(8)
	text, err := json.Marshal(o)
	if err != nil {
		h.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		h.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), ordersVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	said := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	h.alive[cmd] = said
	go func() { h.ended <- end{cmd, cmd.Wait()} }()
	return cmd
}

// points are those of the mode, drawn with equal chances.
func (h *harness) point() point {
	all := []point{polled, computed, journaled, produced, commitSent, committed, outside, frozen}
	if h.orders.ExactlyOnce {
		all = append(all, offsetsAdded)
	}
	return all[h.rng.IntN(len(all))]
}

// kill lets n workers be killed, and starts each again, some so late that their partitions
// have moved. Records come in all the time.
func (h *harness) kill(n int) {
	h.Helper()
	h.feed(50)
	doomed := map[*exec.Cmd]point{}
	begin := func() {
		at := h.point()
		cmd := h.start(at)
		doomed[cmd] = at
		delay := time.Duration(h.rng.IntN(1500)) * time.Millisecond
		send := func(after time.Duration, signal syscall.Signal) {
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(signal) }) // it may have ended
		}
		switch at {
		case outside:
			send(delay, syscall.SIGKILL)
		case frozen:
			back := delay + 2*h.orders.SessionTimeout
			send(delay, syscall.SIGSTOP)
			send(back, syscall.SIGCONT)
			send(back+delay, syscall.SIGKILL)
		}
	}
	for range workers {
		begin()
	}
	more := time.NewTicker(200 * time.Millisecond)
	defer more.Stop()
	late := make(chan struct{}, workers)
	stuck := time.NewTimer(time.Minute)
	for left := n; left > 0; {
		select {
		case <-more.C:
			h.feed(5)
		case <-late:
			begin()
		case <-stuck.C:
			h.Fatalf("no worker has died for a minute\n%s", h.said())
		case e := <-h.ended:
			h.buried(e, syscall.SIGKILL)
			h.killed[doomed[e.cmd]]++
			left--
			h.feed(10)
			stuck.Reset(time.Minute)
			if h.rng.IntN(5) > 0 {
				begin()
				continue
			}
			time.AfterFunc(h.orders.SessionTimeout*2, func() { late <- struct{}{} })
		}
	}
	h.Logf("killed %v", h.killed)
}

// buried takes a worker out that has ended as it must.
func (h *harness) buried(e end, want syscall.Signal) {
	h.Helper()
	said := h.alive[e.cmd]
	delete(h.alive, e.cmd)
	var exit *exec.ExitError
	if errors.As(e.err, &exit) {
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == want {
			return
		}
	} else if e.err == nil && want == 0 {
		return
	}
	h.Fatalf("a worker ended by itself: %v\n%s", e.err, said)
}

func (h *harness) said() string {
	var all []string
	for _, s := range h.alive {
		all = append(all, s.String())
	}
	return strings.Join(all, "\n")
}

// finish replaces what is left by workers that live, waits until everything is
// acknowledged, and ends them in order.
func (h *harness) finish() {
	h.Helper()
	for cmd := range h.alive {
		_ = cmd.Process.Kill()
	}
	for range len(h.alive) {
		h.buried(<-h.ended, syscall.SIGKILL)
	}
	for range workers {
		h.start(nowhere)
	}
	start := time.Now()
	for h.lag() > 0 {
		select {
		case e := <-h.ended:
			h.buried(e, 0)
			h.Fatal("a worker ended before the input")
		case <-time.After(50 * time.Millisecond):
		}
		if time.Since(start) > 2*time.Minute {
			h.Fatalf("%d records are not acknowledged after %v\n%s", h.lag(), time.Since(start), h.said())
		}
	}
	h.Logf("everything is acknowledged %v after the last kill", time.Since(start).Round(time.Millisecond))
	for cmd := range h.alive {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			h.Fatal(err)
		}
	}
	for len(h.alive) > 0 {
		h.buried(<-h.ended, 0)
	}
}

// lag is how many records the group has not acknowledged.
func (h *harness) lag() int64 {
	h.Helper()
	group := "group of " + h.orders.In
	ends, err := h.admin.ListEndOffsets(h.Context(), h.orders.In)
	if err != nil {
		h.Fatal(err)
	}
	// Offsets of open transactions count as they are: nothing.
	commits, err := h.admin.FetchOffsetsForTopics(h.Context(), group, h.orders.In)
	if err != nil {
		h.Fatal(err)
	}
	lag := int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		c, ok := commits.Lookup(o.Topic, o.Partition)
		lag += o.Offset - max(c.At, 0)
		if !ok {
			lag++
		}
	})
	return lag
}
