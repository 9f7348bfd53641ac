package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// connectTimeout bounds the first contact with the cluster.
const connectTimeout = 20 * time.Second

// probe connects, checks that the topics are there, and hands the client to ask. It
// turns the faults of a first start into words: no broker, no topic, no permission.
func probe(ctx context.Context, brokers, topics []string, opts []kgo.Opt, ask func(context.Context, *kadm.Client) error) error {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	where := strings.Join(brokers, ",")
	admin := kadm.NewClient(client)
	found, err := admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("kafka: connect to %s: %w", where, err)
	}
	for _, topic := range topics {
		switch err := found[topic].Err; {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return fmt.Errorf("kafka: topic %s is not on %s: create it, or check its name", topic, where)
		case err != nil:
			return fmt.Errorf("kafka: topic %s on %s: %w", topic, where, err)
		case len(found[topic].Partitions) == 0:
			return fmt.Errorf("kafka: topic %s on %s has no partitions", topic, where)
		}
	}
	if err := ask(ctx, admin); err != nil {
		return fmt.Errorf("kafka: %s on %s: %w", named(topics), where, err)
	}
	return nil
}

// clusterID returns the id by which a cluster is told from others.
func clusterID(ctx context.Context, admin *kadm.Client) (string, error) {
	m, err := admin.BrokerMetadata(ctx)
	return m.Cluster, err
}
