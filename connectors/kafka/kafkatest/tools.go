package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
)

// InstallTools writes scripts into a folder that run Kafka's own command-line tools, by the
// names that they have in the folder bin of a distribution.
func (b *Broker) InstallTools(bin string) error {
	for name, class := range map[string]string{
		"kafka-topics.sh":           "org.apache.kafka.tools.TopicCommand",
		"kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
		"kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"kafka-consumer-groups.sh":  "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	} {
		script := "#!/bin/sh\nexec java"
		for _, arg := range append(b.jvm(), class) {
			script += fmt.Sprintf(" '%s'", arg)
		}
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script+" \"$@\"\n"), 0o755); err != nil {
			return err
		}
	}
	return nil
}
