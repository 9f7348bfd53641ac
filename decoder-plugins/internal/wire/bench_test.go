package wire

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// common is the observation of a common strategy: 64 documents, 32 open positions each,
// one column.
func common() (*strategy.Observation, []strategy.Document) {
	o, docs := &strategy.Observation{Offset: []int32{0}}, []strategy.Document(nil)
	for id := range uint64(64) {
		docs = append(docs, strategy.Document{ID: id, Length: 2048})
		o.Doc, o.Step, o.Remain = append(o.Doc, id), append(o.Step, 3), append(o.Remain, 99)
		for p := range int32(32) {
			o.Position, o.Prob = append(o.Position, 1000+p), append(o.Prob, 0.5)
		}
		o.Offset = append(o.Offset, int32(len(o.Position)))
	}
	return o, docs
}

// TestCommonFrame holds the message of a common strategy below 16 KiB, where a message
// begins to cost more than an empty one.
func TestCommonFrame(t *testing.T) {
	o, docs := common()
	memory := NewMemory()
	memory.Begin(docs)
	request := &pb.Request{Batch: 7, Call: &pb.Request_Next{Next: EncodeObservation(o, memory)}}
	if n := proto.Size(request); n > 16<<10 {
		t.Errorf("%d bytes", n)
	}
}

// BenchmarkObservation is one step's work of both ends on the message, without transport.
func BenchmarkObservation(b *testing.B) {
	o, docs := common()
	here, there := NewMemory(), NewMemory()
	here.Begin(docs)
	there.Begin(docs)
	spec := strategy.Spec{Name: "s", Columns: strategy.ColumnProb}
	b.ReportAllocs()
	for b.Loop() {
		bytes, err := proto.Marshal(EncodeObservation(o, here))
		if err != nil {
			b.Fatal(err)
		}
		m := new(pb.Observation)
		if err := proto.Unmarshal(bytes, m); err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeObservation(m, spec, there); err != nil {
			b.Fatal(err)
		}
	}
}
