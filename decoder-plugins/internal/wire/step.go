package wire

import (
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// EncodeObservation packs an observation for a receiver that has the given memory, and
// notes what it is told. The message is valid until the next one.
func EncodeObservation(o *strategy.Observation, memory *Memory) *pb.Observation {
	p := packer{memory.out[:0]}
	m := &pb.Observation{
		Doc: p.uint64s(o.Doc), Step: p.int32s(o.Step), Remain: p.int32s(o.Remain),
		Offset: p.int32s(o.Offset), Position: p.positions(o.Position),
		Token: p.int32s(o.Token), Prob: p.float32s(o.Prob), MaxProb: p.float32s(o.MaxProb),
		Entropy: p.float32s(o.Entropy), Margin: p.float32s(o.Margin),
		TopToken: p.int32s(o.TopToken), TopLogProb: p.float32s(o.TopLogProb),
		Accepted: p.int32s(o.Accepted),
	}
	memory.out = p.buf
	for _, k := range o.Kind {
		m.Kind = append(m.Kind, byte(k))
	}
	memory.tell(o, m)
	return m
}

// DecodeObservation unpacks an observation under a specification and adds what the
// memory has. Positions ascend within a document. The result is valid until the next one.
func DecodeObservation(m *pb.Observation, spec strategy.Spec, memory *Memory) (*strategy.Observation, error) {
	r := reader{message: "Observation"}
	o := &memory.in
	old := *o
	*o = strategy.Observation{Doc: r.uint64sTo(old.Doc, "doc", m.GetDoc(), -1)}
	o.Step = r.int32sTo(old.Step, "step", m.GetStep(), len(o.Doc))
	o.Remain = r.int32sTo(old.Remain, "remain", m.GetRemain(), len(o.Doc))
	o.Offset = r.int32sTo(old.Offset, "offset", m.GetOffset(), len(o.Doc)+1)
	if r.err != nil {
		return nil, r.err
	}
	rows := max(int(o.Offset[len(o.Doc)]), 0)
	o.Position = r.positionsTo(old.Position, "position", m.GetPosition(), rows)
	o.Token = r.columnTo(old.Token, "token", m.GetToken(), rows)
	o.Prob = r.float32sTo(old.Prob, "prob", m.GetProb(), rows)
	o.MaxProb = r.float32sTo(old.MaxProb, "max_prob", m.GetMaxProb(), rows)
	o.Entropy = r.float32sTo(old.Entropy, "entropy", m.GetEntropy(), rows)
	o.Margin = r.float32sTo(old.Margin, "margin", m.GetMargin(), rows)
	o.TopToken = r.columnTo(old.TopToken, "top_token", m.GetTopToken(), rows*spec.Top)
	o.TopLogProb = r.float32sTo(old.TopLogProb, "top_log_prob", m.GetTopLogProb(), rows*spec.Top)
	o.Accepted = r.column("accepted", m.GetAccepted(), len(o.Doc))
	for _, k := range m.GetKind() {
		if k > byte(strategy.Checked) {
			r.fail("kind is %d, which this plugin does not know", k)
		}
		o.Kind = append(o.Kind, strategy.Kind(k))
	}
	if r.err == nil {
		memory.recall(&r, m, o, spec.Text)
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := o.Check(spec); err != nil {
		return nil, malformed(r.message, "%v", err)
	}
	for d := range o.Doc {
		start, end := o.Rows(d)
		for i := start + 1; i < end; i++ {
			if o.Position[i] <= o.Position[i-1] {
				return nil, malformed(r.message, "document %d: position %d follows %d", o.Doc[d], o.Position[i], o.Position[i-1])
			}
		}
	}
	return o, nil
}

// EncodeDecision packs a decision about the documents with the given ids, and notes the
// states that it tells.
func EncodeDecision(dec *strategy.Decision, ids []uint64, memory *Memory) *pb.Decision {
	m := &pb.Decision{
		CommitOffset: packInt32(dec.CommitOffset), Commit: packInt32(dec.Commit), Token: packInt32(dec.Token),
		ProposeOffset: packInt32(dec.ProposeOffset), Propose: packInt32(dec.Propose),
		ReopenOffset: packInt32(dec.ReopenOffset), Reopen: packInt32(dec.Reopen),
		DraftOffset: packInt32(dec.DraftOffset), Draft: packInt32(dec.Draft), DraftToken: packInt32(dec.DraftToken),
		CheckOffset: packInt32(dec.CheckOffset), Check: packInt32(dec.Check),
		BiasOffset: packInt32(dec.BiasOffset),
	}
	if len(dec.Bias) > 0 {
		position, token, value := make([]int32, len(dec.Bias)), make([]int32, len(dec.Bias)), make([]float32, len(dec.Bias))
		for i, b := range dec.Bias {
			position[i], token[i], value[i] = b.Position, b.Token, b.Value
		}
		m.BiasPosition, m.BiasToken, m.BiasValue = packInt32(position), packInt32(token), packFloat32(value)
	}
	for d, state := range dec.State {
		if state != nil {
			m.State = append(m.State, &pb.State{Index: int32(d), Data: state})
			if d < len(ids) {
				memory.remember(ids[d], state)
			}
		}
	}
	return m
}

// DecodeDecision unpacks a decision about the documents with the given ids, and notes the
// states that it tells.
func DecodeDecision(m *pb.Decision, ids []uint64, memory *Memory) (*strategy.Decision, error) {
	r := reader{message: "Decision"}
	n := len(ids)
	dec := &strategy.Decision{
		Commit: r.int32s("commit", m.GetCommit(), -1), Propose: r.int32s("propose", m.GetPropose(), -1),
		Reopen: r.int32s("reopen", m.GetReopen(), -1), Draft: r.int32s("draft", m.GetDraft(), -1),
		Check: r.int32s("check", m.GetCheck(), -1),
	}
	dec.CommitOffset = r.offsets("commit_offset", m.GetCommitOffset(), n, len(dec.Commit))
	dec.Token = r.column("token", m.GetToken(), len(dec.Commit))
	dec.ProposeOffset = r.listing("propose_offset", m.GetProposeOffset(), n, len(dec.Propose))
	dec.ReopenOffset = r.listing("reopen_offset", m.GetReopenOffset(), n, len(dec.Reopen))
	dec.DraftOffset = r.listing("draft_offset", m.GetDraftOffset(), n, len(dec.Draft))
	dec.DraftToken = r.column("draft_token", m.GetDraftToken(), len(dec.Draft))
	dec.CheckOffset = r.listing("check_offset", m.GetCheckOffset(), n, len(dec.Check))
	position := r.int32s("bias_position", m.GetBiasPosition(), -1)
	token := r.int32s("bias_token", m.GetBiasToken(), len(position))
	value := r.float32s("bias_value", m.GetBiasValue(), len(position))
	if len(value) != len(position) {
		r.fail("bias_value has %d elements, want %d", len(value), len(position))
	}
	dec.BiasOffset = r.listing("bias_offset", m.GetBiasOffset(), n, len(position))
	if r.err != nil {
		return nil, r.err
	}
	for i := range position {
		dec.Bias = append(dec.Bias, strategy.Bias{Position: position[i], Token: token[i], Value: value[i]})
	}
	for _, s := range m.GetState() {
		d := int(s.GetIndex())
		if d < 0 || d >= n {
			return nil, malformed(r.message, "state of document %d of %d", d, n)
		}
		if dec.State == nil {
			dec.State = make([][]byte, n)
		}
		dec.State[d] = append([]byte{}, s.GetData()...) // empty is a state, too
		memory.remember(ids[d], dec.State[d])
	}
	return dec, nil
}
