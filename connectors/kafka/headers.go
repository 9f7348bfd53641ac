package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
)

// Headers that the sink adds: where the input of a record stood, and what made the
// record of it. Those that came with the input from an earlier job are replaced.
const (
	sourceHeaders         = "a3.source."
	HeaderSourceTopic     = sourceHeaders + "topic"
	HeaderSourcePartition = sourceHeaders + "partition"
	HeaderSourceOffset    = sourceHeaders + "offset"
	HeaderSourceRow       = sourceHeaders + "row" // from 1, if the record held several documents
	// HeaderSourceStream stands in place of topic and partition when the source was
	// no topic, such as a file; the offset then is a line number.
	HeaderSourceStream = sourceHeaders + "stream"

	HeaderModel  = "a3.model"  // digest of the model
	HeaderConfig = "a3.config" // digest of all else that results depend on
	// HeaderDedupe is equal for two records if, and only if, they were made of the same
	// input by the same model and configuration. At least once can repeat a record, with
	// the same bytes; a consumer that keeps the first of each drops the others.
	HeaderDedupe = "a3.dedupe"
)

func ownHeader(name string) bool {
	return strings.HasPrefix(name, sourceHeaders) || name == HeaderModel || name == HeaderConfig || name == HeaderDedupe
}

// toKafka makes the message of a record.
func (o *SinkOptions) toKafka(rec connectors.Record) *kgo.Record {
	r := &kgo.Record{Key: rec.Key, Value: rec.Value, Timestamp: rec.Time}
	for _, h := range rec.Headers {
		if !ownHeader(h.Name) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
	}
	add := func(name, value string) {
		if value != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	if rec.Origin.Partition == connectors.NoPartition {
		add(HeaderSourceStream, rec.Origin.Stream)
	} else {
		add(HeaderSourceTopic, rec.Origin.Stream)
		add(HeaderSourcePartition, strconv.Itoa(int(rec.Origin.Partition)))
	}
	add(HeaderSourceOffset, strconv.FormatInt(rec.Origin.Offset, 10))
	if rec.Origin.Row > 0 {
		add(HeaderSourceRow, strconv.FormatInt(rec.Origin.Row, 10))
	}
	add(HeaderModel, o.Model)
	add(HeaderConfig, o.Config)
	add(HeaderDedupe, o.dedupe(rec.Origin))
	return r
}

// dedupe hashes what stands in no doubt between two deliveries of one input.
func (o *SinkOptions) dedupe(origin connectors.Origin) string {
	h := sha256.New()
	parts := []string{o.Model, o.Config, origin.Stream, strconv.Itoa(int(origin.Partition)), strconv.FormatInt(origin.Offset, 10)}
	if origin.Row > 0 {
		parts = append(parts, strconv.FormatInt(origin.Row, 10))
	}
	for _, part := range parts {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
