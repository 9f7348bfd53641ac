package wire

import (
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v0"
)

// EncodeDocuments packs introductions.
func EncodeDocuments(docs []strategy.Document) *pb.Documents {
	id := make([]uint64, len(docs))
	key := make([]seq.Key, len(docs))
	length := make([]int32, len(docs))
	offset := make([]int32, 1, len(docs)+1)
	var open []int32
	for i, d := range docs {
		id[i], key[i], length[i] = d.ID, d.Key, d.Length
		open = append(open, d.Open...)
		offset = append(offset, int32(len(open)))
	}
	return &pb.Documents{
		Id: packUint64(id), Key: packUint64(key), Length: packInt32(length),
		OpenOffset: packInt32(offset), Open: packInt32(open),
	}
}

// DecodeDocuments unpacks introductions. Open positions ascend and lie in their
// document.
func DecodeDocuments(m *pb.Documents) ([]strategy.Document, error) {
	r := reader{message: "Documents"}
	id := r.uint64s("id", m.GetId(), -1)
	key := r.uint64s("key", m.GetKey(), len(id))
	length := r.int32s("length", m.GetLength(), len(id))
	open := r.int32s("open", m.GetOpen(), -1)
	offset := r.offsets("open_offset", m.GetOpenOffset(), len(id), len(open))
	if r.err != nil {
		return nil, r.err
	}
	docs := make([]strategy.Document, len(id))
	for i := range docs {
		own := open[offset[i]:offset[i+1]:offset[i+1]]
		last := int32(-1)
		for _, p := range own {
			if p <= last || p >= length[i] {
				return nil, malformed(r.message, "document %d: open position %d follows %d in a length of %d", id[i], p, last, length[i])
			}
			last = p
		}
		docs[i] = strategy.Document{ID: id[i], Key: seq.Key(key[i]), Length: length[i], Open: own}
	}
	return docs, nil
}

// EncodeIDs packs document ids.
func EncodeIDs(ids []uint64) *pb.DocumentIDs { return &pb.DocumentIDs{Id: packUint64(ids)} }

// DecodeIDs unpacks document ids.
func DecodeIDs(m *pb.DocumentIDs) ([]uint64, error) {
	r := reader{message: "DocumentIDs"}
	ids := r.uint64s("id", m.GetId(), -1)
	return ids, r.err
}

// EncodePlans packs plans.
func EncodePlans(plans []strategy.Plan) *pb.Plans {
	groups := make([]int32, 1, len(plans)+1)
	positions := []int32{0}
	var position []int32
	for _, plan := range plans {
		for _, group := range plan {
			position = append(position, group...)
			positions = append(positions, int32(len(position)))
		}
		groups = append(groups, int32(len(positions)-1))
	}
	return &pb.Plans{
		GroupOffset: packInt32(groups), PositionOffset: packInt32(positions), Position: packInt32(position),
	}
}

// DecodePlans unpacks the plans of n documents.
func DecodePlans(m *pb.Plans, n int) ([]strategy.Plan, error) {
	r := reader{message: "Plans"}
	position := r.int32s("position", m.GetPosition(), -1)
	groups := r.size("position_offset", m.GetPositionOffset(), 4, -1) - 1
	if groups < 0 {
		r.fail("position_offset is empty")
		return nil, r.err
	}
	bound := r.offsets("position_offset", m.GetPositionOffset(), groups, len(position))
	group := r.offsets("group_offset", m.GetGroupOffset(), n, groups)
	if r.err != nil {
		return nil, r.err
	}
	plans := make([]strategy.Plan, n)
	for d := range plans {
		for g := group[d]; g < group[d+1]; g++ {
			plans[d] = append(plans[d], position[bound[g]:bound[g+1]:bound[g+1]])
		}
	}
	return plans, nil
}
