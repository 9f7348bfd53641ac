package connectors

import "strconv"

// Origin names where a record stands in its source: enough to tell a user which
// record is meant, and to resume behind it.
type Origin struct {
	Stream    string // file path, "-" for stdin, topic
	Partition int32  // NoPartition where the stream has none
	Offset    int64  // of this record: line number from 1 for files, offset for Kafka
	Next      int64  // where reading goes on after this record: byte offset, or Offset+1
	// Mark is what the source wants to be given back with the position, to see
	// whether the stream is still the same one; opaque to all others, "" for none.
	Mark string
}

// NoPartition is the Origin.Partition of streams without partitions, such as files.
const NoPartition int32 = -1

// String names the record for a person: "stories.jsonl:12", or "topic/3@1042".
func (o Origin) String() string {
	if o.Partition == NoPartition {
		return o.Stream + ":" + strconv.FormatInt(o.Offset, 10)
	}
	return o.Stream + "/" + strconv.Itoa(int(o.Partition)) + "@" + strconv.FormatInt(o.Offset, 10)
}
