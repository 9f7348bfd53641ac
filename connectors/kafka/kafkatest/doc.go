// Package kafkatest starts a real Apache Kafka for tests: one node, in KRaft mode, on
// loopback, in little memory. It takes Java and Maven, which brings the broker's jars
// from Maven Central once; they are kept among the user's cached files.
package kafkatest
