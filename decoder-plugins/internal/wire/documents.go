package wire

import (
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// EncodeDocuments packs introductions.
func EncodeDocuments(docs []strategy.Document) *pb.Documents {
	id := make([]uint64, len(docs))
	key := make([]seq.Key, len(docs))
	length := make([]int32, len(docs))
	offset := make([]int32, 1, len(docs)+1)
	var open, tokens []int32
	for i, d := range docs {
		id[i], key[i], length[i] = d.ID, d.Key, d.Length
		open, tokens = append(open, d.Open...), append(tokens, d.Tokens...)
		offset = append(offset, int32(len(open)))
	}
	return &pb.Documents{
		Id: packUint64(id), Key: packUint64(key), Length: packInt32(length),
		OpenOffset: packInt32(offset), Open: packInt32(open), Tokens: packInt32(tokens),
	}
}

// DecodeDocuments unpacks introductions. Open positions ascend and lie in their
// document; there are tokens if the strategy reads.
func DecodeDocuments(m *pb.Documents, text bool) ([]strategy.Document, error) {
	r := reader{message: "Documents"}
	id := r.uint64s("id", m.GetId(), -1)
	key := r.uint64s("key", m.GetKey(), len(id))
	length := r.int32s("length", m.GetLength(), len(id))
	open := r.int32s("open", m.GetOpen(), -1)
	offset := r.offsets("open_offset", m.GetOpenOffset(), len(id), len(open))
	var tokens []int32
	if text {
		tokens = r.int32s("tokens", m.GetTokens(), r.sum("length", length))
	} else if len(m.GetTokens()) > 0 {
		r.fail("tokens came for a strategy that does not read")
	}
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
		if text {
			docs[i].Tokens, tokens = tokens[:length[i]:length[i]], tokens[length[i]:]
		}
	}
	return docs, nil
}

// sum adds up lengths, which are not negative.
func (r *reader) sum(field string, lengths []int32) (total int) {
	for _, n := range lengths {
		if n < 0 {
			r.fail("%s holds %d", field, n)
			return 0
		}
		total += int(n)
	}
	return total
}

// EncodeVocabulary packs what tokens mean.
func EncodeVocabulary(vocabulary [][]byte) *pb.Vocabulary {
	offset := make([]int32, 1, len(vocabulary)+1)
	var text []byte
	for _, token := range vocabulary {
		text = append(text, token...)
		offset = append(offset, int32(len(text)))
	}
	return &pb.Vocabulary{Offset: packInt32(offset), Text: text}
}

// DecodeVocabulary unpacks what tokens mean.
func DecodeVocabulary(m *pb.Vocabulary) ([][]byte, error) {
	r := reader{message: "Vocabulary"}
	n := r.size("offset", m.GetOffset(), 4, -1) - 1
	if n < 0 {
		r.fail("offset is empty")
		return nil, r.err
	}
	offset := r.offsets("offset", m.GetOffset(), n, len(m.GetText()))
	if r.err != nil {
		return nil, r.err
	}
	vocabulary := make([][]byte, n)
	for i := range vocabulary {
		vocabulary[i] = m.GetText()[offset[i]:offset[i+1]:offset[i+1]]
	}
	return vocabulary, nil
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
