package wire

import (
	"bytes"
	"slices"

	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// Memory is what the plugin's end of a session has of the documents in flight, by id. Both
// ends keep one, and both are the same after each answer: so the host sends states and
// tokens only when they are others. A new session starts with none.
//
// It also holds the columns of the last message, which are used again for the next one: a
// step of many documents would otherwise leave some 60 KiB of garbage.
type Memory struct {
	docs map[uint64]*remembered
	out  []byte               // packed columns of the message sent last
	in   strategy.Observation // the observation received last
	at   []*remembered        // its documents
}

// NewMemory returns the memory of a new session.
func NewMemory() *Memory { return &Memory{docs: make(map[uint64]*remembered)} }

type remembered struct {
	state  []byte  // empty = none
	unsure bool    // the plugin's may be another: its last answer was not understood
	tokens []int32 // [length]; nil if the strategy does not read
}

// Begin takes introductions.
func (m *Memory) Begin(docs []strategy.Document) {
	for _, d := range docs {
		m.docs[d.ID] = &remembered{tokens: slices.Clone(d.Tokens)}
	}
}

// End forgets documents.
func (m *Memory) End(ids []uint64) {
	for _, id := range ids {
		delete(m.docs, id)
	}
}

// Doubt says that the other end may have other states of the documents: they are told
// again.
func (m *Memory) Doubt(ids []uint64) {
	for _, id := range ids {
		if r := m.docs[id]; r != nil {
			r.unsure = true
		}
	}
}

// remember takes a state that a decision told.
func (m *Memory) remember(id uint64, state []byte) {
	if r := m.docs[id]; r != nil {
		r.state, r.unsure = append(r.state[:0], state...), false
	}
}

// tell adds to a message what the receiver does not have of the observation.
func (m *Memory) tell(o *strategy.Observation, to *pb.Observation) {
	var offset, position, token []int32
	for d, id := range o.Doc {
		r := m.docs[id]
		if r == nil {
			continue // not introduced: the receiver says so
		}
		if s := o.StateOf(d); r.unsure || !bytes.Equal(s, r.state) {
			to.State = append(to.State, &pb.State{Index: int32(d), Data: s})
			m.remember(id, s)
		}
		if o.Known == nil {
			continue
		}
		if offset == nil {
			offset = make([]int32, 1, len(o.Doc)+1)
		}
		for p, t := range o.Known[d] {
			if p < len(r.tokens) && r.tokens[p] != t {
				position, token = append(position, int32(p)), append(token, t)
				r.tokens[p] = t
			}
		}
		offset = append(offset, int32(len(position)))
	}
	to.KnownOffset, to.KnownPosition, to.KnownToken = packInt32(offset), packInt32(position), packInt32(token)
}

// recall adds to an observation what the memory has and the message tells.
func (m *Memory) recall(r *reader, from *pb.Observation, o *strategy.Observation, text bool) {
	m.at = slices.Grow(m.at[:0], len(o.Doc))[:len(o.Doc)]
	docs := m.at
	for d, id := range o.Doc {
		if docs[d] = m.docs[id]; docs[d] == nil {
			r.fail("document %d was not introduced", id)
			return
		}
	}
	for _, s := range from.GetState() {
		if d := int(s.GetIndex()); d < 0 || d >= len(docs) {
			r.fail("state of document %d of %d", d, len(docs))
			return
		}
		docs[s.GetIndex()].state = bytes.Clone(s.GetData())
	}
	for d, doc := range docs {
		if len(doc.state) == 0 {
			continue
		}
		if o.State == nil {
			o.State = make([][]byte, len(docs))
		}
		o.State[d] = doc.state
	}
	if !text || len(docs) == 0 {
		return
	}
	position := r.int32s("known_position", from.GetKnownPosition(), -1)
	token := r.int32s("known_token", from.GetKnownToken(), len(position))
	offset := r.offsets("known_offset", from.GetKnownOffset(), len(docs), len(position))
	if r.err != nil {
		return
	}
	o.Known = make([][]int32, len(docs))
	for d, doc := range docs {
		for i := offset[d]; i < offset[d+1]; i++ {
			p := position[i]
			if p < 0 || int(p) >= len(doc.tokens) {
				r.fail("known_position %d lies outside a document of %d", p, len(doc.tokens))
				return
			}
			doc.tokens[p] = token[i]
		}
		o.Known[d] = doc.tokens
	}
}
