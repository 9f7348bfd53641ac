package wire

import (
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v0"
)

// EncodeObservation packs an observation.
func EncodeObservation(o *strategy.Observation) *pb.Observation {
	return &pb.Observation{
		Doc: packUint64(o.Doc), Step: packInt32(o.Step), Remain: packInt32(o.Remain),
		Offset: packInt32(o.Offset), Position: packInt32(o.Position),
		Token: packInt32(o.Token), Prob: packFloat32(o.Prob), MaxProb: packFloat32(o.MaxProb),
		Entropy: packFloat32(o.Entropy), Margin: packFloat32(o.Margin),
	}
}

// DecodeObservation unpacks an observation with the given columns. Positions ascend
// within a document.
func DecodeObservation(m *pb.Observation, columns strategy.Columns) (*strategy.Observation, error) {
	r := reader{message: "Observation"}
	o := &strategy.Observation{Doc: r.uint64s("doc", m.GetDoc(), -1)}
	o.Step = r.int32s("step", m.GetStep(), len(o.Doc))
	o.Remain = r.int32s("remain", m.GetRemain(), len(o.Doc))
	o.Position = r.int32s("position", m.GetPosition(), -1)
	o.Offset = r.offsets("offset", m.GetOffset(), len(o.Doc), len(o.Position))
	if len(m.GetToken()) > 0 {
		o.Token = r.int32s("token", m.GetToken(), len(o.Position))
	}
	o.Prob = r.float32s("prob", m.GetProb())
	o.MaxProb = r.float32s("max_prob", m.GetMaxProb())
	o.Entropy = r.float32s("entropy", m.GetEntropy())
	o.Margin = r.float32s("margin", m.GetMargin())
	if r.err != nil {
		return nil, r.err
	}
	if err := o.Check(columns); err != nil {
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

// EncodeDecision packs a decision.
func EncodeDecision(dec *strategy.Decision) *pb.Decision {
	return &pb.Decision{
		CommitOffset: packInt32(dec.CommitOffset), Commit: packInt32(dec.Commit), Token: packInt32(dec.Token),
		ProposeOffset: packInt32(dec.ProposeOffset), Propose: packInt32(dec.Propose),
	}
}

// DecodeDecision unpacks a decision about n documents.
func DecodeDecision(m *pb.Decision, n int) (*strategy.Decision, error) {
	r := reader{message: "Decision"}
	dec := &strategy.Decision{Commit: r.int32s("commit", m.GetCommit(), -1)}
	dec.CommitOffset = r.offsets("commit_offset", m.GetCommitOffset(), n, len(dec.Commit))
	if len(m.GetToken()) > 0 {
		dec.Token = r.int32s("token", m.GetToken(), len(dec.Commit))
	}
	if len(m.GetPropose()) > 0 || len(m.GetProposeOffset()) > 0 {
		dec.Propose = r.int32s("propose", m.GetPropose(), -1)
		dec.ProposeOffset = r.offsets("propose_offset", m.GetProposeOffset(), n, len(dec.Propose))
	}
	if r.err != nil {
		return nil, r.err
	}
	return dec, nil
}
