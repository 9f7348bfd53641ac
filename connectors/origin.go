package connectors

import "strconv"

// String names the record for a person: "stories.jsonl:12", or "topic/3@1042".
func (o Origin) String() string {
	if o.Partition == NoPartition {
		return o.Stream + ":" + strconv.FormatInt(o.Offset, 10)
	}
	return o.Stream + "/" + strconv.Itoa(int(o.Partition)) + "@" + strconv.FormatInt(o.Offset, 10)
}
