package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/connectors/kafka/embedded"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/config"
)

const embeddedKafkaUsage = "try the job on Kafka with nothing installed: inputs and outputs, which are files, pass through topics of a broker in this process, exactly once"

// The topics of the embedded broker.
const (
	embeddedIn   = "in"
	embeddedOut  = "out"
	embeddedDead = "dead"
)

// runOnEmbeddedKafka runs a job over files as a fleet would run it: the inputs are copied
// into a topic, a group reads it and writes in transactions, and what readers of the
// output's topic see is copied to the output.
func runOnEmbeddedKafka(ctx context.Context, env *Env, c *config.Config, quiet bool) (err error) {
	switch {
	case c.Job.Train != nil:
		return usagef("--embedded-kafka is for jobs over records: infill, rewrite and score")
	case c.Input.Kafka != nil || c.Output.Kafka != nil || c.DeadLetters != nil && c.DeadLetters.Kafka != nil:
		return usagef("--embedded-kafka has topics of its own: name files, or leave it out")
	}
	broker, err := embedded.Start(embeddedIn, embeddedOut, embeddedDead)
	if err != nil {
		return err
	}
	defer broker.Close()
	if !quiet {
		fmt.Fprintf(env.Stderr, "embedded Kafka at %s: topics %s, %s and %s, gone with this process\n", broker.Addr(), embeddedIn, embeddedOut, embeddedDead)
	}
	e := &onEmbedded{env: env, broker: broker, config: c}
	if err := e.feed(ctx); err != nil {
		return err
	}
	job := *c
	job.Input = config.Input{Kafka: e.source(embeddedIn)}
	job.Output = config.Output{Kafka: e.sink(embeddedOut)}
	job.DeadLetters = &config.Output{Kafka: e.sink(embeddedDead)}
	job.Delivery.Guarantee = config.ExactlyOnce
	ended := runJob(ctx, env, &job, quiet)
	var failed *recordsFailed
	var halted *stopped
	if ended != nil && !errors.As(ended, &failed) && !errors.As(ended, &halted) {
		return ended
	}
	return errors.Join(ended, e.collect(ctx))
}

// onEmbedded copies between the ends of a job and the topics of the embedded broker.
type onEmbedded struct {
	env    *Env
	broker *embedded.Broker
	config *config.Config
}

func (e *onEmbedded) source(topic string) *kafka.SourceOptions {
	o := kafka.DefaultSourceOptions()
	o.Brokers, o.Topics, o.Group, o.Until = []string{e.broker.Addr()}, []string{topic}, "a3", kafka.UntilEnd
	if e.config.Delivery.Journal == "" {
		o.Instance = kafka.InstanceNone // else the journal is found by the name
	}
	return &o
}

func (e *onEmbedded) sink(topic string) *kafka.SinkOptions {
	o := kafka.DefaultSinkOptions()
	o.Brokers, o.Topic = []string{e.broker.Addr()}, topic
	return &o
}

// feed copies the inputs into the topic of the job.
func (e *onEmbedded) feed(ctx context.Context) (err error) {
	src, err := openInputs(e.env, e.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close(ctx)) }()
	in, err := kafka.OpenSink(ctx, *e.sink(embeddedIn))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close(ctx)) }()
	dead, err := kafka.OpenSink(ctx, *e.sink(embeddedDead))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dead.Close(ctx)) }()
	return transfer(ctx, e.env.Stop, src, in, dead)
}

// collect copies what the job wrote to the outputs.
func (e *onEmbedded) collect(ctx context.Context) error {
	// The positions of a broker that is gone mean nothing to a later run.
	id := runIdentity{run: "embedded Kafka " + rand.Text()}
	sink, err := openSink(ctx, e.env, e.config.Output, id)
	if err != nil {
		return err
	}
	err = e.drain(ctx, embeddedOut, sink)
	dead := connectors.Sink(pipeline.Complaints{W: e.env.Stderr})
	if e.config.DeadLetters != nil {
		file, opened := openSink(ctx, e.env, *e.config.DeadLetters, id)
		if opened != nil {
			return errors.Join(err, opened)
		}
		dead = pipeline.Enveloped{Sink: file}
	}
	return errors.Join(err, e.drain(ctx, embeddedDead, dead))
}

// drain copies a topic to a sink, and closes the sink.
func (e *onEmbedded) drain(ctx context.Context, topic string, sink connectors.Sink) (err error) {
	defer func() { err = errors.Join(err, sink.Close(ctx)) }()
	src, err := kafka.OpenSource(ctx, *e.source(topic))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close(ctx)) }()
	return transfer(ctx, nil, src, sink, nil)
}

// transfer copies records until the source ends or stop is closed. Those that the source
// could not read go to dead, which may be nil for one that reads all.
func transfer(ctx context.Context, stop <-chan struct{}, src connectors.Source, sink, dead connectors.Sink) error {
	reading, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-stop:
			cancel()
		case <-reading.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	for {
		batch, err := src.Read(reading, pipeline.DefaultOptions().WriteBatch)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && reading.Err() != nil:
			return ctx.Err() // nil if it was stop
		case err != nil:
			return err
		}
		var records, letters []connectors.Record
		for i := range batch {
			if batch[i].Err != nil {
				letters = append(letters, pipeline.Unreadable(&batch[i]))
			} else {
				records = append(records, batch[i].Record)
			}
		}
		if len(letters) > 0 {
			if err := dead.Write(ctx, letters); err != nil {
				return err
			}
		}
		if err := sink.Write(ctx, records); err != nil {
			return err
		}
		for _, d := range batch {
			d.Settle(nil)
		}
	}
}
