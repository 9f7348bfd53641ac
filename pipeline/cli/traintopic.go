package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/training"
)

// topic are topics of Kafka that a run learns from.
type topic struct {
	watch *watch
	opts  kafka.SourceOptions
}

var _ training.Topic = (*topic)(nil)

// Names implements training.Topic.
func (t *topic) Names() []string { return t.opts.Topics }

// Extents implements training.Topic.
func (t *topic) Extents(ctx context.Context) ([]training.Extent, error) {
	held, err := kafka.Extents(ctx, t.opts)
	if err != nil {
		return nil, err
	}
	out := make([]training.Extent, len(held))
	for i, e := range held {
		out[i] = training.Extent{Stream: e.Topic, Partition: e.Partition, First: e.First, End: e.End}
	}
	return out, nil
}

// Begin implements training.Topic.
func (t *topic) Begin(ctx context.Context) ([]connectors.Origin, error) {
	return kafka.Begin(ctx, t.opts)
}

// Open implements training.Topic.
func (t *topic) Open(ctx context.Context, from []connectors.Origin) (connectors.Source, error) {
	o := t.opts
	o.From = from
	// What is read and not trained is bounded by the batches, not by the source. Their
	// text is not held.
	o.MaxUnsettled, o.MaxUnsettledBytes = 10*training.MaxUntrained, math.MaxInt64
	lag := newLagWatch(t.watch, &o)
	src, err := kafka.OpenSource(ctx, o)
	if err != nil {
		return nil, err // not a nil *kafka.Source in the interface
	}
	lag.follow(src)
	t.watch.health.Met(inputConnected)
	return &watchedSource{src, lag}, nil
}

// watchedSource is a source whose lag is watched.
type watchedSource struct {
	*kafka.Source
	lag *lagWatch
}

// Close ends the watch first.
func (s *watchedSource) Close(ctx context.Context) error {
	s.lag.close()
	return s.Source.Close(ctx)
}

// heldOutName is the file of the held-out documents of a topic, in the directory of the
// run: each of its processes measures on the same ones.
const heldOutName = "held-out.jsonl"

// heldOutOfTopic returns the documents to measure on where the input is a topic.
func heldOutOfTopic(ctx context.Context, env *Env, c *config.Config) ([]training.Text, error) {
	t := c.Job.Train
	if len(t.HeldOutFiles) > 0 {
		return readHeldOut(ctx, env, c, t.HeldOutFiles)
	}
	if t.HeldOutShare == 0 || t.HeldOut == 0 {
		return nil, nil
	}
	path := filepath.Join(t.Directory, heldOutName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		texts, err := sampleTopic(ctx, env, c)
		if err == nil && len(texts) == 0 {
			env.tell(slog.LevelWarn, "no document of the held-out share is in %s yet: there are no held-out losses", c.Input.Kafka.Named())
		}
		if err == nil {
			err = writeTexts(path, texts)
		}
		if err != nil {
			return nil, fmt.Errorf("held-out documents: %w", err)
		}
	}
	return readHeldOut(ctx, env, c, []string{path})
}

// readHeldOut reads held-out documents from files.
func readHeldOut(ctx context.Context, env *Env, c *config.Config, paths []string) ([]training.Text, error) {
	files := *c
	files.Input = config.Input{}
	for _, path := range paths {
		if err := files.Input.Add(path); err != nil {
			return nil, usagef("held-out documents: %w", err)
		}
	}
	texts, err := readFiles(ctx, env, &files)
	if err != nil {
		return nil, fmt.Errorf("held-out documents: %w", err)
	}
	return texts, nil
}

// sampleTopic returns the first documents of the held-out share that are in the topic now,
// from where the run will begin. Nothing is acknowledged: the group is one of its own.
func sampleTopic(ctx context.Context, env *Env, c *config.Config) (_ []training.Text, err error) {
	o := *c.Input.Kafka
	if o.From, err = kafka.Begin(ctx, o); err != nil {
		return nil, err
	}
	o.Group += "-held-out"
	o.Instance, o.Until, o.OnRebalance = kafka.InstanceNone, kafka.UntilEnd, nil
	o.MaxUnsettled, o.MaxUnsettledBytes = 1_000_000, math.MaxInt64
	src, err := kafka.OpenSource(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.Close(ctx)) }()
	share := batching.HeldOut{Fraction: c.Job.Train.HeldOutShare}
	var texts []training.Text
	unusable := func(connectors.Origin, error) error { return nil } // told of when it is read to be trained
	for len(texts) < c.Job.Train.HeldOut {
		more, err := training.ReadSome(ctx, src, parseOptions(), unusable)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, text := range more {
			if share.Holds(text.Key) && len(texts) < c.Job.Train.HeldOut {
				texts = append(texts, text)
			}
		}
	}
	return texts, nil
}

// writeTexts writes documents as records, whole or not at all.
func writeTexts(path string, texts []training.Text) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, t := range texts {
		record := struct {
			ID   string `json:"id,omitempty"`
			Text string `json:"text"`
		}{t.ID, string(t.Text)}
		if err := enc.Encode(record); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	aside := path + ".tmp"
	if err := os.WriteFile(aside, out.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(aside, path)
}
