package connectors

import "strconv"

// Origin names where a record stands in its source: enough to tell a user which
// record is meant, and to resume behind it.
type Origin struct {
	Stream    string // file path, "-" for stdin, topic
	Partition int32  // NoPartition where the stream has none
	Offset    int64  // of this record: line number from 1 for files, offset for Kafka
	Next      int64  // where reading goes on after this record: byte offset, or Offset+1
	// Row is the place, from 1 on, of a document in a record that holds several; 0 for the
	// record itself. All rows of a record have its Next: it is done when they all are.
	Row int64
	// Mark is what the source wants to be given back with the position, to see
	// whether the stream is still the same one; opaque to all others, "" for none.
	Mark string
}

// NoPartition is the Origin.Partition of streams without partitions, such as files.
const NoPartition int32 = -1

// String names the record for a person: "stories.jsonl:12", or "topic/3@1042", and its
// seventh row "topic/3@1042#7".
func (o Origin) String() string {
	text := o.Stream
	if o.Partition == NoPartition {
		text += ":"
	} else {
		text += "/" + strconv.Itoa(int(o.Partition)) + "@"
	}
	text += strconv.FormatInt(o.Offset, 10)
	if o.Row > 0 {
		text += "#" + strconv.FormatInt(o.Row, 10)
	}
	return text
}
