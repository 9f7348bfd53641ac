package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v0"
)

// ascending draws distinct ascending positions below n.
func ascending(t *rapid.T, n int32) []int32 {
	var s []int32
	for p := range n {
		if rapid.Bool().Draw(t, "open") {
			s = append(s, p)
		}
	}
	return s
}

func documents() *rapid.Generator[[]strategy.Document] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) strategy.Document {
		d := strategy.Document{
			ID: rapid.Uint64().Draw(t, "id"), Key: seq.Key(rapid.Uint64().Draw(t, "key")),
			Length: rapid.Int32Range(0, 20).Draw(t, "length"),
		}
		d.Open = ascending(t, d.Length)
		return d
	}), 0, 5)
}

func TestDocumentsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := documents().Draw(t, "documents")
		got, err := DecodeDocuments(EncodeDocuments(want))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d documents, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i].ID != want[i].ID || got[i].Key != want[i].Key || got[i].Length != want[i].Length || !equal(got[i].Open, want[i].Open) {
				t.Fatalf("document %d: got %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

func TestPlansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := rapid.SliceOfN(rapid.Int32(), 1, 4)
		want := rapid.SliceOfN(rapid.SliceOfN(group, 1, 4), 0, 5).Draw(t, "plans")
		plans := make([]strategy.Plan, len(want))
		for i := range want {
			plans[i] = want[i]
		}
		got, err := DecodePlans(EncodePlans(plans), len(plans))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, plans) {
			t.Fatalf("got %v, want %v", got, plans)
		}
	})
}

func TestStepRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := observation(t)
		columns := strategy.ColumnProb | strategy.ColumnToken
		got, err := DecodeObservation(EncodeObservation(want), columns)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(got.Doc, want.Doc) || !equal(got.Step, want.Step) || !equal(got.Remain, want.Remain) ||
			!equal(got.Offset, want.Offset) || !equal(got.Position, want.Position) ||
			!equal(got.Token, want.Token) || !equal(got.Prob, want.Prob) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if got.MaxProb != nil || got.Entropy != nil || got.Margin != nil {
			t.Fatal("columns appeared that were not subscribed to")
		}

		// A decision that commits all rows and proposes them again is well-formed here.
		dec := &strategy.Decision{
			CommitOffset: want.Offset, Commit: want.Position, Token: want.Token,
			ProposeOffset: want.Offset, Propose: want.Position,
		}
		back, err := DecodeDecision(EncodeDecision(dec), len(want.Doc))
		if err != nil {
			t.Fatal(err)
		}
		if !equal(back.CommitOffset, dec.CommitOffset) || !equal(back.Commit, dec.Commit) || !equal(back.Token, dec.Token) ||
			!equal(back.ProposeOffset, dec.ProposeOffset) || !equal(back.Propose, dec.Propose) {
			t.Fatalf("got %+v, want %+v", back, dec)
		}
	})
}

func observation(t *rapid.T) *strategy.Observation {
	o := &strategy.Observation{Offset: []int32{0}}
	for range rapid.IntRange(0, 4).Draw(t, "documents") {
		rows := ascending(t, 8)
		o.Doc = append(o.Doc, rapid.Uint64().Draw(t, "doc"))
		o.Step = append(o.Step, rapid.Int32Range(0, 9).Draw(t, "step"))
		o.Remain = append(o.Remain, int32(len(rows)))
		o.Position = append(o.Position, rows...)
		o.Offset = append(o.Offset, int32(len(o.Position)))
		for range rows {
			o.Token = append(o.Token, rapid.Int32Range(-1, 99).Draw(t, "token"))
			o.Prob = append(o.Prob, rapid.Float32Range(0, 1).Draw(t, "prob"))
		}
	}
	return o
}

// equal takes nil and empty for the same.
func equal[T comparable](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

func TestSpecRoundTrip(t *testing.T) {
	want := strategy.Spec{Name: "s", Columns: strategy.ColumnMargin | strategy.ColumnToken, Window: 7, Planned: true}
	got, err := DecodeSpec(EncodeSpec(want), "s")
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for bit := strategy.ColumnToken; bit <= strategy.ColumnAll; bit <<= 1 {
		if len(EncodeSpec(strategy.Spec{Columns: bit}).Columns) != 1 {
			t.Errorf("column %#x has no name on the wire", bit)
		}
	}
	for _, m := range []*pb.Spec{
		{Columns: []pb.Column{pb.Column_COLUMN_UNSPECIFIED}},
		{Columns: []pb.Column{99}},
		{Window: -1},
	} {
		if _, err := DecodeSpec(m, "s"); err == nil {
			t.Errorf("%v is accepted", m)
		}
	}
}

func TestMalformed(t *testing.T) {
	docs := func(change func(*pb.Documents)) error {
		m := EncodeDocuments([]strategy.Document{{ID: 1, Length: 4, Open: []int32{1, 3}}, {ID: 2, Length: 2, Open: []int32{0}}})
		change(m)
		_, err := DecodeDocuments(m)
		return err
	}
	decision := func(m *pb.Decision) error { _, err := DecodeDecision(m, 1); return err }
	plans := func(m *pb.Plans) error { _, err := DecodePlans(m, 1); return err }
	observe := func(change func(*pb.Observation)) error {
		m := EncodeObservation(&strategy.Observation{
			Doc: []uint64{1}, Step: []int32{0}, Remain: []int32{2}, Offset: []int32{0, 2}, Position: []int32{1, 2}, Prob: []float32{1, 1},
		})
		change(m)
		_, err := DecodeObservation(m, strategy.ColumnProb)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"unchanged documents", docs(func(*pb.Documents) {}), ""},
		{"torn id", docs(func(m *pb.Documents) { m.Id = m.Id[:9] }), "id has 9 bytes, not a multiple of 8"},
		{"short key", docs(func(m *pb.Documents) { m.Key = m.Key[:8] }), "key has 1 elements, want 2"},
		{"no offsets", docs(func(m *pb.Documents) { m.OpenOffset = nil }), "open_offset has 0 elements, want 3"},
		{"descending offsets", docs(func(m *pb.Documents) { m.OpenOffset = packInt32([]int32{0, 9, 3}) }), "descends from 9 to 3"},
		{"negative offset", docs(func(m *pb.Documents) { m.OpenOffset = packInt32([]int32{0, -1, 3}) }), "descends from 0 to -1"},
		{"open outside", docs(func(m *pb.Documents) { m.Open = packInt32([]int32{1, 4, 0}) }), "open position 4"},
		{"open twice", docs(func(m *pb.Documents) { m.Open = packInt32([]int32{1, 1, 0}) }), "open position 1 follows 1"},
		{"unchanged observation", observe(func(*pb.Observation) {}), ""},
		{"column missing", observe(func(m *pb.Observation) { m.Prob = nil }), "prob has 0 rows, want 2"},
		{"column uninvited", observe(func(m *pb.Observation) { m.Entropy = m.Prob }), "entropy has 2 rows, want 0"},
		{"positions descend", observe(func(m *pb.Observation) { m.Position = packInt32([]int32{2, 1}) }), "position 1 follows 2"},
		{"rows outside", observe(func(m *pb.Observation) { m.Offset = packInt32([]int32{0, 3}) }), "runs from 0 to 3, want 0 to 2"},
		{"empty decision", decision(&pb.Decision{}), "commit_offset has 0 elements, want 2"},
		{"tokens short", decision(&pb.Decision{CommitOffset: packInt32([]int32{0, 2}), Commit: packInt32([]int32{1, 2}), Token: packInt32([]int32{1})}), "token has 1 elements"},
		{"propose without offsets", decision(&pb.Decision{CommitOffset: packInt32([]int32{0, 0}), Propose: packInt32([]int32{1})}), "propose_offset has 0"},
		{"empty plans", plans(&pb.Plans{}), "position_offset is empty"},
		{"groups outside", plans(&pb.Plans{PositionOffset: packInt32([]int32{0, 1}), Position: packInt32([]int32{5}), GroupOffset: packInt32([]int32{0, 2})}), "want 0 to 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "" {
				if c.err != nil {
					t.Fatal(c.err)
				}
				return
			}
			var wrong *Error
			if !errors.As(c.err, &wrong) || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", c.err, c.want)
			}
		})
	}
}

// FuzzResponse feeds arbitrary bytes to all decoders of answers: they refuse, or
// return what the checks of the contract can index.
func FuzzResponse(f *testing.F) {
	seed := func(r *pb.Response) {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(1))
	}
	seed(&pb.Response{Batch: 1, Answer: &pb.Response_Plans{Plans: EncodePlans([]strategy.Plan{{{1}, {0}}})}})
	seed(&pb.Response{Batch: 1, Answer: &pb.Response_Decision{Decision: EncodeDecision(&strategy.Decision{CommitOffset: []int32{0, 1}, Commit: []int32{0}})}})
	seed(&pb.Response{Answer: &pb.Response_Error{Error: "no"}})
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		r := new(pb.Response)
		if proto.Unmarshal(b, r) != nil {
			return
		}
		doc := strategy.Document{ID: 1, Length: 2, Open: []int32{0, 1}}
		if plans, err := DecodePlans(r.GetPlans(), int(n)); err == nil {
			for _, p := range plans {
				_ = strategy.CheckPlan("s", doc, p) // must not panic
			}
		}
		dec, err := DecodeDecision(r.GetDecision(), int(n))
		if err != nil {
			return
		}
		if err := dec.Check("s", int(n)); err != nil {
			t.Fatalf("decoded, but of the wrong shape: %v", err)
		}
		for d := range int(n) {
			obs := strategy.Observation{Doc: make([]uint64, n), Step: make([]int32, n), Offset: make([]int32, n+1), Position: nil}
			_ = strategy.CheckDecision("s", &obs, dec, d, 10, func(int32) bool { return true })
		}
	})
}

// FuzzRequest does the same for what a plugin reads.
func FuzzRequest(f *testing.F) {
	seed := func(r *pb.Request) {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	seed(&pb.Request{Call: &pb.Request_Begin{Begin: EncodeDocuments([]strategy.Document{{ID: 1, Length: 3, Open: []int32{0, 2}}})}})
	seed(&pb.Request{Call: &pb.Request_Next{Next: EncodeObservation(&strategy.Observation{
		Doc: []uint64{1}, Step: []int32{0}, Remain: []int32{1}, Offset: []int32{0, 1}, Position: []int32{0}, Prob: []float32{1},
	})}})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := new(pb.Request)
		if proto.Unmarshal(b, r) != nil {
			return
		}
		if docs, err := DecodeDocuments(r.GetBegin()); err == nil {
			if again, err := DecodeDocuments(EncodeDocuments(docs)); err != nil || len(again) != len(docs) {
				t.Fatalf("accepted documents do not survive: %v", err)
			}
		}
		if o, err := DecodeObservation(r.GetNext(), strategy.ColumnProb); err == nil {
			if err := o.Check(strategy.ColumnProb); err != nil {
				t.Fatal(err)
			}
		}
	})
}
