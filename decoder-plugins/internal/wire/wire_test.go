package wire

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
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
		got, err := DecodeDocuments(EncodeDocuments(want), false)
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
		spec := strategy.Spec{
			Name: "s", Columns: strategy.Columns(rapid.IntRange(0, int(strategy.ColumnAll)).Draw(t, "columns")),
			Top: rapid.IntRange(0, 2).Draw(t, "top"), Text: rapid.Bool().Draw(t, "text"),
		}
		docs := documents().Draw(t, "documents")
		for i := range docs {
			docs[i].ID = uint64(i) * 3
			if spec.Text {
				docs[i].Tokens = rapid.SliceOfN(rapid.Int32Range(-1, 9), int(docs[i].Length), int(docs[i].Length)).Draw(t, "tokens")
			}
		}
		here, there := NewMemory(), NewMemory()
		here.Begin(docs)
		introduced, err := DecodeDocuments(EncodeDocuments(docs), spec.Text)
		if err != nil {
			t.Fatal(err)
		}
		there.Begin(introduced)
		for range 4 {
			want := observation(t, spec, docs)
			got, err := DecodeObservation(EncodeObservation(want, here), spec, there)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(normal(got), normal(want)) {
				t.Fatalf("got\n%+v, want\n%+v", got, want)
			}
			dec := decision(t, len(docs))
			back, err := DecodeDecision(EncodeDecision(dec, want.Doc, there), want.Doc, here)
			if err != nil {
				t.Fatal(err)
			}
			for d := range docs {
				if !reflect.DeepEqual(back.At(d), dec.At(d)) {
					t.Fatalf("document %d: got %+v, want %+v", d, back.At(d), dec.At(d))
				}
			}
			if rapid.Bool().Draw(t, "doubt") {
				here.Doubt(want.Doc)
			}
		}
	})
}

// normal takes nil and empty columns, and zero ones that may be absent, for the same.
func normal(o *strategy.Observation) strategy.Observation {
	n := *o
	if len(n.Position) == 0 {
		n.Position, n.Token, n.Prob, n.MaxProb, n.Entropy, n.Margin, n.TopToken, n.TopLogProb = nil, nil, nil, nil, nil, nil, nil, nil
	}
	if len(n.Doc) == 0 {
		n.Doc, n.Step, n.Remain, n.Known, n.Kind, n.Accepted = nil, nil, nil, nil, nil, nil
	}
	n.State, n.Known = nil, nil
	for d := range n.Doc {
		n.State = append(n.State, append([]byte{}, o.StateOf(d)...))
		if o.Known != nil {
			n.Known = append(n.Known, append([]int32{}, o.Known[d]...))
		}
	}
	return n
}

// observation draws one of the documents. States are those of a strategy that is told of
// all changes; tokens change at random.
func observation(t *rapid.T, spec strategy.Spec, docs []strategy.Document) *strategy.Observation {
	o := &strategy.Observation{Offset: []int32{0}}
	large := rapid.Bool().Draw(t, "large positions")
	for _, doc := range docs {
		rows := ascending(t, 8)
		o.Doc = append(o.Doc, doc.ID)
		o.Step = append(o.Step, rapid.Int32Range(0, 9).Draw(t, "step"))
		o.Remain = append(o.Remain, int32(len(rows)))
		for _, p := range rows {
			if large {
				p += 65_533
			}
			o.Position = append(o.Position, p)
		}
		o.Offset = append(o.Offset, int32(len(o.Position)))
		if spec.Text {
			o.Known = append(o.Known, rapid.SliceOfN(rapid.Int32Range(-1, 9), int(doc.Length), int(doc.Length)).Draw(t, "known"))
		}
	}
	n := len(o.Position)
	column := func(bit strategy.Columns) []float32 {
		if spec.Columns&bit == 0 {
			return nil
		}
		return rapid.SliceOfN(rapid.Float32Range(0, 1), n, n).Draw(t, "column")
	}
	if spec.Columns&strategy.ColumnToken != 0 {
		o.Token = rapid.SliceOfN(rapid.Int32Range(-1, 99), n, n).Draw(t, "token")
	}
	o.Prob, o.MaxProb = column(strategy.ColumnProb), column(strategy.ColumnMaxProb)
	o.Entropy, o.Margin = column(strategy.ColumnEntropy), column(strategy.ColumnMargin)
	if spec.Top > 0 {
		o.TopToken = rapid.SliceOfN(rapid.Int32Range(-1, 99), n*spec.Top, n*spec.Top).Draw(t, "top")
		o.TopLogProb = rapid.SliceOfN(rapid.Float32Range(-9, 0), n*spec.Top, n*spec.Top).Draw(t, "top")
	}
	some := func(what string) bool { return len(docs) > 0 && rapid.Bool().Draw(t, what) }
	if some("kinds") {
		o.Kind = slices.Repeat([]strategy.Kind{strategy.Proposed, strategy.Checked}, len(docs))[:len(docs)]
	}
	if some("accepted") {
		o.Accepted = rapid.SliceOfN(rapid.Int32Range(0, 9), len(docs), len(docs)).Draw(t, "accepted")
	}
	if some("states") {
		for range docs {
			o.State = append(o.State, rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "state"))
		}
	}
	return o
}

// decision draws one about n documents, of the right shape.
func decision(t *rapid.T, n int) *strategy.Decision {
	some := rapid.SliceOfN(rapid.Int32Range(0, 99), 0, 2)
	dec := &strategy.Decision{CommitOffset: []int32{0}}
	for range n {
		c := strategy.Choice{Commit: some.Draw(t, "commit")}
		if rapid.Bool().Draw(t, "more") {
			c.Token = slices.Clone(c.Commit)
			c.Reopen, c.Check, c.Propose = some.Draw(t, "reopen"), some.Draw(t, "check"), some.Draw(t, "propose")
			c.Draft = some.Draw(t, "draft")
			c.DraftToken = slices.Clone(c.Draft)
			c.Bias = []strategy.Bias{{Position: 1, Token: 2, Value: float32(math.Inf(-1))}, {Position: 3, Token: 4, Value: 5}}
			c.State = rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "state")
		}
		dec.Append(c)
	}
	return dec
}

// equal takes nil and empty for the same.
func equal[T comparable](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

func TestSpecRoundTrip(t *testing.T) {
	want := strategy.Spec{Name: "s", Columns: strategy.ColumnMargin | strategy.ColumnToken, Window: 7, Top: 3, Planned: true, Text: true}
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
		{Top: 65},
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
		_, err := DecodeDocuments(m, len(m.Tokens) > 0)
		return err
	}
	decision := func(m *pb.Decision) error { _, err := DecodeDecision(m, []uint64{1}, NewMemory()); return err }
	plans := func(m *pb.Plans) error { _, err := DecodePlans(m, 1); return err }
	observe := func(change func(*pb.Observation)) error {
		memory := NewMemory()
		memory.Begin([]strategy.Document{{ID: 1, Length: 3, Tokens: []int32{7, -1, -1}}})
		m := EncodeObservation(&strategy.Observation{
			Doc: []uint64{1}, Step: []int32{0}, Remain: []int32{2}, Offset: []int32{0, 2}, Position: []int32{1, 2}, Prob: []float32{1, 1},
			Known: [][]int32{{7, -1, 5}},
		}, memory)
		change(m)
		_, err := DecodeObservation(m, strategy.Spec{Name: "s", Columns: strategy.ColumnProb, Text: true}, memory)
		return err
	}
	vocabulary := func(m *pb.Vocabulary) error { _, err := DecodeVocabulary(m); return err }
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
		{"column missing", observe(func(m *pb.Observation) { m.Prob = nil }), "prob has 0 entries, want 2"},
		{"column uninvited", observe(func(m *pb.Observation) { m.Entropy = m.Prob }), "entropy has 2 entries, want 0"},
		{"positions descend", observe(func(m *pb.Observation) { m.Position = packInt32([]int32{2, 1}) }), "position 1 follows 2"},
		{"rows outside", observe(func(m *pb.Observation) { m.Offset = packInt32([]int32{0, 3}) }), "position has 1 elements, want 3"},
		{"stranger", observe(func(m *pb.Observation) { m.Doc = packUint64([]uint64{2}) }), "document 2 was not introduced"},
		{"kind", observe(func(m *pb.Observation) { m.Kind = []byte{2} }), "kind is 2"},
		{"state of nobody", observe(func(m *pb.Observation) { m.State = []*pb.State{{Index: 1}} }), "state of document 1 of 1"},
		{"known outside", observe(func(m *pb.Observation) { m.KnownPosition = packInt32([]int32{3}) }), "known_position 3 lies outside a document of 3"},
		{"known without offsets", observe(func(m *pb.Observation) { m.KnownOffset = nil }), "known_offset has 0 elements"},
		{"negative length", docs(func(m *pb.Documents) { m.Length, m.Tokens = packInt32([]int32{-1, 3}), packInt32([]int32{0}) }), "length holds -1"},
		{"tokens of some", docs(func(m *pb.Documents) { m.Tokens = packInt32([]int32{1}) }), "tokens has 1 elements, want 6"},
		{"no vocabulary", vocabulary(&pb.Vocabulary{}), "offset is empty"},
		{"vocabulary beyond its text", vocabulary(&pb.Vocabulary{Offset: packInt32([]int32{0, 2}), Text: []byte("a")}), "want 0 to 1"},
		{"state of no document", decision(&pb.Decision{CommitOffset: packInt32([]int32{0, 0}), State: []*pb.State{{Index: -1}}}), "state of document -1 of 1"},
		{"bias short", decision(&pb.Decision{CommitOffset: packInt32([]int32{0, 0}), BiasOffset: packInt32([]int32{0, 1}), BiasPosition: packInt32([]int32{1}), BiasToken: packInt32([]int32{1})}), "bias_value has 0 elements, want 1"},
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
	seed(&pb.Response{Batch: 1, Answer: &pb.Response_Decision{Decision: EncodeDecision(&strategy.Decision{CommitOffset: []int32{0, 1}, Commit: []int32{0}}, nil, NewMemory())}})
	full := &strategy.Decision{}
	full.Append(strategy.Choice{Draft: []int32{1}, DraftToken: []int32{2}, Propose: []int32{0}, State: []byte("s"),
		Bias: []strategy.Bias{{Position: 1, Token: 3, Value: 1}}})
	seed(&pb.Response{Batch: 1, Answer: &pb.Response_Decision{Decision: EncodeDecision(full, nil, NewMemory())}})
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
		dec, err := DecodeDecision(r.GetDecision(), make([]uint64, n), NewMemory())
		if err != nil {
			return
		}
		if err := dec.CheckShape("s", int(n)); err != nil {
			t.Fatalf("decoded, but of the wrong shape: %v", err)
		}
		ledger := strategy.NewLedger(0, []int32{0, 1})
		obs := strategy.Observation{Doc: make([]uint64, n), Step: make([]int32, n), Offset: make([]int32, n+1)}
		for d := range int(n) {
			if ledger.Check("s", &obs, d, dec.At(d), 10) == nil { // must not panic
				ledger.Apply(dec.At(d))
			}
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
	}, NewMemory())}})
	seed(&pb.Request{Call: &pb.Request_Vocabulary{Vocabulary: EncodeVocabulary([][]byte{nil, []byte("a")})}})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := new(pb.Request)
		if proto.Unmarshal(b, r) != nil {
			return
		}
		text := len(r.GetBegin().GetTokens()) > 0
		if docs, err := DecodeDocuments(r.GetBegin(), text); err == nil {
			if again, err := DecodeDocuments(EncodeDocuments(docs), text); err != nil || len(again) != len(docs) {
				t.Fatalf("accepted documents do not survive: %v", err)
			}
		}
		if vocabulary, err := DecodeVocabulary(r.GetVocabulary()); err == nil {
			if again, err := DecodeVocabulary(EncodeVocabulary(vocabulary)); err != nil || len(again) != len(vocabulary) {
				t.Fatalf("an accepted vocabulary does not survive: %v", err)
			}
		}
		for _, spec := range []strategy.Spec{{Columns: strategy.ColumnProb}, {Columns: strategy.ColumnProb, Top: 1, Text: true}} {
			memory := NewMemory()
			memory.Begin([]strategy.Document{{ID: 1, Length: 3, Tokens: []int32{1, 2, -1}}})
			if o, err := DecodeObservation(r.GetNext(), spec, memory); err == nil {
				if err := o.Check(spec); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
