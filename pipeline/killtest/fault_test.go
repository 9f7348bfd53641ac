package killtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline"
)

// rig is a cluster of virtual time with the topics in, out and dead, and what runs there.
type rig struct {
	*testing.T
	*kfake.Cluster
	client *kgo.Client
	admin  *kadm.Client
	dialer kgo.Opt
	format kafka.Format // of the topic in
}

const rigAddr = "localhost:9092"

// onRig runs a test in virtual time: sleeping costs nothing.
func onRig(t *testing.T, partitions int32, test func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		net := &kfake.VirtualNetwork{}
		r := &rig{T: t, dialer: kgo.Dialer(net.DialContext)}
		var err error
		if r.Cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(net.Listen), kfake.SeedTopics(partitions, "in"), kfake.SeedTopics(1, "out", "dead")); err != nil {
			t.Fatal(err)
		}
		defer r.Cluster.Close()
		if r.client, err = kgo.NewClient(kgo.SeedBrokers(rigAddr), r.dialer, kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner())); err != nil {
			t.Fatal(err)
		}
		defer r.client.Close()
		r.admin = kadm.NewClient(r.client)
		test(r)
	})
}

// feed puts n values in.
func (r *rig) feed(n int) (values []string) {
	for i := range n {
		value := fmt.Sprint("doc", i)
		values = append(values, value)
		if err := r.client.ProduceSync(r.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			r.Fatal(err)
		}
	}
	return values
}

// pipeline runs a worker until the end of the topic, or until ctx ends.
func (r *rig) pipeline(ctx context.Context, job pipeline.Job, exactlyOnce bool) (counts pipeline.Counts, err error) {
	cluster := kafka.Cluster{Brokers: []string{rigAddr}, ClientID: "rig", Client: []kgo.Opt{r.dialer}}
	in := kafka.DefaultSourceOptions()
	in.Cluster, in.Topics, in.Group, in.Instance, in.Until = cluster, []string{"in"}, "g", kafka.InstanceNone, kafka.UntilEnd
	in.Format = r.format
	src, err := kafka.OpenSource(ctx, in)
	if err != nil {
		return counts, err
	}
	defer func() { err = errors.Join(err, src.Close(r.Context())) }()
	out, dead := kafka.DefaultSinkOptions(), kafka.DefaultSinkOptions()
	out.Cluster, out.Topic, out.DeliveryTimeout = cluster, "out", 24*time.Hour
	dead.Cluster, dead.Topic = cluster, "dead"
	o := pipeline.Options{Window: 8, WriteBatch: 4}
	var sink, letters connectors.Sink
	if exactlyOnce {
		x, err := kafka.OpenTransactor(ctx, src, out, dead)
		if err != nil {
			return counts, err
		}
		defer x.Close(ctx)
		o.Transactor = x
	} else {
		if sink, err = kafka.OpenSink(ctx, out); err != nil {
			return counts, err
		}
		defer sink.Close(ctx)
		if letters, err = kafka.OpenSink(ctx, dead); err != nil {
			return counts, err
		}
		defer letters.Close(ctx)
	}
	return pipeline.Run(ctx, nil, src, job, sink, letters, o)
}

// committed is the group's position in a partition, 0 if it has none.
func (r *rig) committed(partition int32) int64 {
	commits, err := r.admin.FetchOffsetsForTopics(r.Context(), "g", "in")
	if err != nil {
		r.Fatal(err)
	}
	o, _ := commits.Lookup("in", partition)
	return max(o.At, 0)
}

// wantOut checks that each value is out, once if exactly is set.
func (r *rig) wantOut(values []string, exactly bool) {
	ends, err := r.admin.ListCommittedOffsets(r.Context(), "out")
	if err != nil {
		r.Fatal(err)
	}
	end, _ := ends.Lookup("out", 0)
	reader, err := kgo.NewClient(kgo.SeedBrokers(rigAddr), r.dialer, kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		r.Fatal(err)
	}
	defer reader.Close()
	got := map[string]int{}
	for at := int64(0); at < end.Offset; {
		reader.PollFetches(r.Context()).EachRecord(func(rec *kgo.Record) {
			at = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				got[string(rec.Value)]++
			}
		})
	}
	for _, value := range values {
		if n := got[string(result(value))]; n == 0 || exactly && n > 1 {
			r.Errorf("%s is out %d times", value, n)
		}
	}
}

// stub computes at once, but for one record, on which it hangs like a broken plugin.
type stub struct {
	hangs string
	begun chan struct{} // closed when it hangs; nil if it never does
}

func (s stub) Prepare(item *pipeline.Item) { item.Task = item }

func (s stub) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	for {
		var item *pipeline.Item
		var ok bool
		select {
		case item, ok = <-in:
		case <-ctx.Done():
		}
		if !ok {
			return ctx.Err()
		}
		value := string(item.Delivery.Value)
		if s.begun != nil && value == s.hangs {
			close(s.begun)
			<-ctx.Done()
			return ctx.Err()
		}
		item.Output = result(value)
		if err := done(item); err != nil {
			return err
		}
	}
}

// The topic of results takes nothing for a quarter of an hour. The worker stays in its
// group, acknowledges nothing, takes no more than its window, and goes on as if nothing
// had been.
func TestFullSink(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", exactlyOnce), func(t *testing.T) {
			onRig(t, 1, func(r *rig) {
				values := r.feed(30)
				full := r.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.NotEnoughReplicas, Count: -1})
				ended := make(chan error)
				var counts pipeline.Counts
				go func() {
					var err error
					counts, err = r.pipeline(r.Context(), stub{}, exactlyOnce)
					ended <- err
				}()
				time.Sleep(15 * time.Minute)
				if got := r.committed(0); got != 0 {
					r.Errorf("committed up to %d while nothing could be written", got)
				}
				full.Remove()
				if err := <-ended; err != nil {
					r.Fatal(err)
				}
				if counts.Written != 30 || counts.Taken != 0 {
					r.Errorf("counts %+v", counts)
				}
				r.wantOut(values, true)
			})
		})
	}
}

// A plugin hangs on a record. Its worker stays in the group, nothing behind the record is
// acknowledged, and other workers have their share. When it is stopped, its work moves.
func TestHungPlugin(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", exactlyOnce), func(t *testing.T) {
			onRig(t, 2, func(r *rig) {
				values := r.feed(40)
				hung := stub{hangs: "doc0", begun: make(chan struct{})}
				ctx, stop := context.WithCancel(r.Context())
				first, second := make(chan error), make(chan error)
				go func() {
					_, err := r.pipeline(ctx, hung, exactlyOnce)
					first <- err
				}()
				<-hung.begun
				go func() {
					_, err := r.pipeline(r.Context(), stub{}, exactlyOnce)
					second <- err
				}()
				time.Sleep(15 * time.Minute)
				free := max(r.committed(0), r.committed(1))
				if held := min(r.committed(0), r.committed(1)); held != 0 || free != 20 {
					r.Errorf("the partitions are committed up to %d and %d, want 0 for the one that hangs and all of the other", held, free)
				}
				stop()
				if err := <-first; !errors.Is(err, context.Canceled) {
					r.Errorf("the worker that was stopped: %v", err)
				}
				if err := <-second; err != nil {
					r.Fatal(err)
				}
				r.wantOut(values, exactlyOnce)
			})
		})
	}
}
