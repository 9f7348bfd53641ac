// Package embedded is a Kafka broker in this process, for trying a pipeline with nothing
// installed. It speaks the protocol in full, to other programs on this machine too; its
// topics live in memory and end with the process.
package embedded

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Broker is a cluster of one node, which listens on loopback.
type Broker struct{ cluster *kfake.Cluster }

// maxMessageBytes is the largest record, as large as the client sends.
const maxMessageBytes = 100 << 20

// Start starts a broker on a free port with topics of one partition each, so that what
// passes through them stays in order.
func Start(topics ...string) (*Broker, error) {
	limit := strconv.Itoa(maxMessageBytes)
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.ClusterID("a3-embedded"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": limit}))
	for _, topic := range topics {
		if err == nil {
			err = cluster.CreateTopic(topic, 1, map[string]string{"max.message.bytes": limit})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start the embedded Kafka: %w", err)
	}
	return &Broker{cluster}, nil
}

// Addr returns the broker's address, host:port.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Close ends the broker and forgets its topics.
func (b *Broker) Close() { b.cluster.Close() }
