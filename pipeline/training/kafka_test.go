package training_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/training"
)

// onKafka is a topic of a broker, in memory or real.
type onKafka struct {
	opts  kafka.SourceOptions
	admin *kadm.Client
}

// newTopic makes a topic of one partition that holds documents.
func newTopic(t *testing.T, docs []string) *onKafka {
	t.Helper()
	addrs := training.Brokers(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o := &onKafka{opts: kafka.DefaultSourceOptions(), admin: kadm.NewClient(client)}
	name := fmt.Sprint("train-", time.Now().UnixNano())
	if _, err := o.admin.CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := o.admin.DeleteTopic(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	o.opts.Brokers, o.opts.Topics, o.opts.Format, o.opts.Instance = addrs, []string{name}, kafka.FormatText, kafka.InstanceNone
	o.opts.MaxUnsettled = 10_000
	for _, doc := range docs {
		client.Produce(t.Context(), &kgo.Record{Topic: name, Value: []byte(doc)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

// of returns the topic as a group sees it.
func (o *onKafka) of(group string) *onKafka {
	opts := o.opts
	opts.Group = group + opts.Topics[0]
	return &onKafka{opts, o.admin}
}

func (o *onKafka) Names() []string { return o.opts.Topics }

func (o *onKafka) Extents(ctx context.Context) ([]training.Extent, error) {
	held, err := kafka.Extents(ctx, o.opts)
	var out []training.Extent
	for _, e := range held {
		out = append(out, training.Extent{Stream: e.Topic, Partition: e.Partition, First: e.First, End: e.End})
	}
	return out, err
}

func (o *onKafka) Begin(ctx context.Context) ([]connectors.Origin, error) {
	return kafka.Begin(ctx, o.opts)
}

func (o *onKafka) Open(ctx context.Context, from []connectors.Origin) (connectors.Source, error) {
	opts := o.opts
	opts.From = from
	src, err := kafka.OpenSource(ctx, opts)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// commit moves the group, which has no members, to an offset.
func (o *onKafka) commit(t *testing.T, offset int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(o.opts.Topics[0], 0, offset, -1)
	if err := o.admin.CommitAllOffsets(t.Context(), o.opts.Group, offsets); err != nil {
		t.Fatal(err)
	}
	if from, err := o.Begin(t.Context()); err != nil || from[0].Next != offset {
		t.Fatalf("the group is at %v, not at %d: %v", from, offset, err)
	}
}

// trainedTo returns the offset in the newest manifest of a run.
func (o *onKafka) trainedTo(t *testing.T, dir string) int64 {
	t.Helper()
	last, _, err := checkpoint.Latest(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	return last.Manifest.Offsets[o.opts.Topics[0]+"/0"]
}

// A run over a topic goes on from its manifest, wherever its group stands: before, behind, or
// at records that it has not read. It ends with the bits of a run that was never stopped.
// When the records behind the manifest are gone from the topic it says so, and goes on
// without them only if it is told to.
func TestTrainOnKafka(t *testing.T) {
	const docs = 300
	topic, dir := newTopic(t, stories(docs)), t.TempDir()
	job := func(topic *onKafka, more ...func(*training.Job)) func(*training.Job) {
		return func(j *training.Job) {
			j.Corpus, j.Topic, j.Parse = nil, topic, record.DefaultOptions()
			j.Bad = func(_ connectors.Origin, err error) error { return err }
			j.Config.Optimizer.Steps, j.Config.SaveEvery = 10, 4
			for _, change := range more {
				change(j)
			}
		}
	}
	whole, parts := filepath.Join(dir, "whole"), filepath.Join(dir, "parts")
	mustRun(t, newJob(t, whole, job(topic.of("whole"))))
	group := topic.of("parts")
	group.commit(t, 0)
	for i, stop := range []int{2, 4, 6} {
		stopAfter(t, parts, job(group), stop)
		at := group.trainedTo(t, parts)
		if at <= 0 || at >= docs {
			t.Fatalf("trained up to %d of %d", at, docs)
		}
		group.commit(t, []int64{0, at + 30, at + 1}[i])
	}

	// From here on a second way, over which the records are lost.
	lost := filepath.Join(dir, "lost")
	if err := os.CopyFS(lost, os.DirFS(parts)); err != nil {
		t.Fatal(err)
	}
	mustRun(t, newJob(t, parts, job(group)))
	wantSame(t, "with commits elsewhere", left(t, whole), left(t, parts))

	at := group.trainedTo(t, lost)
	gone := kadm.Offsets{}
	gone.AddOffset(topic.opts.Topics[0], 0, at+7, -1)
	if _, err := topic.admin.DeleteRecords(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	_, err := newJob(t, lost, job(group)).Run(t.Context())
	var mismatch *training.MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("the records are gone: %v", err)
	}
	for _, want := range []string{fmt.Sprintf("trained up to offset %d of %s/0, which begins at %d", at, topic.opts.Topics[0], at+7), "up to 7 records", "--skip-lost"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if now := group.trainedTo(t, lost); now != at {
		t.Errorf("trained up to %d, was %d", now, at)
	}
	var warned []string
	mustRun(t, newJob(t, lost, job(group, func(j *training.Job) {
		j.SkipLost, j.Warn = true, func(text string) { warned = append(warned, text) }
	})))
	if len(warned) != 1 || !strings.Contains(warned[0], fmt.Sprintf("goes on at offset %d", at+7)) {
		t.Errorf("warned %q", warned)
	}
	if now := group.trainedTo(t, lost); now <= at+7 {
		t.Errorf("trained up to %d", now)
	}
}

// A topic that ends before the offset of the checkpoint, or has none of its partitions, is
// another one.
func TestTrainOnAnotherTopicOfThatName(t *testing.T) {
	dir := t.TempDir()
	topic := newParcels(t, stories(90))
	change := func(j *training.Job) {
		j.Corpus, j.Topic, j.Parse = nil, topic, record.DefaultOptions()
		j.Bad = func(connectors.Origin, error) error { return nil }
		j.Config.Optimizer.Steps = 8
		j.SkipLost = true // it does not help
	}
	stopAfter(t, dir, change, 4)
	all := topic.values
	topic.values = all[:2]
	_, err := newJob(t, dir, change).Run(t.Context())
	var mismatch *training.MismatchError
	if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "stories/0, which ends at 2: this is not the topic") {
		t.Errorf("a topic of two records: %v", err)
	}
	topic.values = slices.Clone(all)
	mustRun(t, newJob(t, dir, change))
}
