package blockwise_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/blockwise"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

// shipped is the strategy with all others that are shipped.
func shipped() sdk.Plugin {
	all := builtin.List()
	return all[slices.IndexFunc(all, func(p sdk.Plugin) bool { return p.Info.Name == "blockwise" })]
}

func TestMain(m *testing.M) { sdktest.Main(m, shipped().New, shipped().Info) }

func TestStrategy(t *testing.T) {
	sdktest.Run(t, shipped().New, shipped().Info, "", "size=5,inner=ar", "size=5,inner=random:size=2",
		"size=7,inner=groups:size=2/order=permuted", "size=4,inner=confidence:size=2/threshold=0.5", "size=6,inner=entropy:bound=3",
		"size=1,inner=margin", "size=3,inner=speculative", "size=6,inner=revise:threshold=0.3/back=0.9/most=8")
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		size, inner string
		want        int
	}{
		{"8", "confidence", 8},
		{"100", "entropy", 100},
		{"8", "confidence:size=50", 8},
		{"100", "confidence:size=50", 50},
		{"3", "speculative:draft=5", 3},
		{"100", "speculative:draft=5", 5}, // drafts are no longer than asked for
	} {
		instance, err := shipped().Open(map[string]string{"size": c.size, "inner": c.inner})
		if err != nil {
			t.Fatal(err)
		}
		if got := instance.Spec().Window; got != c.want {
			t.Errorf("size=%s, %s: a window of %d, want %d", c.size, c.inner, got, c.want)
		}
	}
}

// Each strategy that is shipped can be inside, but for this one.
func TestInner(t *testing.T) {
	for _, p := range builtin.List() {
		instance, err := shipped().Open(map[string]string{"inner": p.Info.Name})
		if p.Info.Name == "blockwise" {
			if err == nil {
				t.Error("it is inside itself")
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		alone, err := p.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := instance.Spec(), alone.Spec(); got.Columns != want.Columns || got.Planned != want.Planned {
			t.Errorf("%s inside: %+v, alone: %+v", p.Info.Name, got, want)
		}
	}
}

func TestInnerErrors(t *testing.T) {
	for inner, want := range map[string]string{
		"confidense":                       `parameter inner="confidense": unknown strategy "confidense"; did you mean "confidence"?`,
		"random:sise=2":                    `did you mean "size"?`,
		"random:size=0":                    "want int, 1 to 1048576",
		"random:size":                      "has no value",
		"confidence:threshold=1/factor=1":  "exclude each other",
		"confidence:threshold=1/size=2/ =": "unknown parameter",
		"":                                 "has no name",
	} {
		if _, err := shipped().Open(map[string]string{"inner": inner}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("inner=%s: %v, want %q in it", inner, err, want)
		}
	}
}

func plan(t *testing.T, inner string, docs ...strategy.Document) []strategy.Plan {
	t.Helper()
	instance, err := shipped().Open(map[string]string{"size": "4", "inner": inner})
	if err != nil {
		t.Fatal(err)
	}
	plans, err := instance.(strategy.Planner).Plan(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

// TestPlan finds windows of four one after the other, none for a document without
// blanks, and in each window an order of its own.
func TestPlan(t *testing.T) {
	long := strategy.Document{ID: 1, Key: seq.NewKey(1, 2), Length: 100}
	for p := range int32(30) {
		long.Open = append(long.Open, 3*p)
	}
	short := strategy.Document{ID: 3, Length: 9, Open: []int32{2, 3, 4, 6, 8}}
	got := plan(t, "groups:size=3/order=both-sided", strategy.Document{ID: 2, Length: 5}, short)
	if want := []strategy.Plan{nil, {{2, 3, 4}, {6}, {8}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	random := plan(t, "random:size=1", long)[0]
	orders := make(map[[3]int32]bool) // of a window's first three, relative to its start
	for w := range slices.Chunk(long.Open[:28], 4) {
		var order []int32
		for _, group := range random[:4] {
			order = append(order, group[0])
		}
		random = random[4:]
		orders[[3]int32{order[0] - w[0], order[1] - w[0], order[2] - w[0]}] = true
		if slices.Sort(order); !slices.Equal(order, w) {
			t.Fatalf("positions %v where the window %v is due", order, w)
		}
	}
	if len(orders) < 3 {
		t.Errorf("seven windows have %d orders", len(orders))
	}
}

// choosy fails the document with id 2, in each window.
type choosy struct{}

func (choosy) Spec() strategy.Spec { return strategy.Spec{Name: "choosy", Planned: true} }

func (choosy) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	for i, doc := range docs {
		if doc.ID != 2 || doc.Open[0] == 0 { // its first window is fine
			plans[i] = strategy.Plan{doc.Open}
		}
	}
	return plans, &strategy.BatchError{Failed: map[uint64]error{2: errors.New("no")}}
}

func TestPlanFails(t *testing.T) {
	p := blockwise.Plugin([]sdk.Plugin{{
		Info: sdk.Info{Name: "choosy", Version: "1", Doc: "Fails."},
		New:  func(sdk.Params) (sdk.Instance, error) { return choosy{}, nil },
	}})
	instance, err := p.Open(map[string]string{"inner": "choosy", "size": "2"})
	if err != nil {
		t.Fatal(err)
	}
	plans, err := instance.(strategy.Planner).Plan(t.Context(), []strategy.Document{
		{ID: 1, Length: 3, Open: []int32{0, 1, 2}}, {ID: 2, Length: 3, Open: []int32{0, 1, 2}},
	})
	var failed *strategy.BatchError
	if !errors.As(err, &failed) || failed.Failed[2] == nil {
		t.Fatalf("got %v, want document 2 to fail", err)
	}
	if want := []strategy.Plan{{{0, 1}, {2}}, nil}; !reflect.DeepEqual(plans, want) {
		t.Errorf("got %v, want %v", plans, want)
	}
}
