package wire

import (
	"github.com/any-order/a3/core/strategy"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// columns pairs the bits of strategy.Columns with their names on the wire.
var columns = [...]struct {
	bit  strategy.Columns
	name pb.Column
}{
	{strategy.ColumnToken, pb.Column_COLUMN_TOKEN},
	{strategy.ColumnProb, pb.Column_COLUMN_PROB},
	{strategy.ColumnMaxProb, pb.Column_COLUMN_MAX_PROB},
	{strategy.ColumnEntropy, pb.Column_COLUMN_ENTROPY},
	{strategy.ColumnMargin, pb.Column_COLUMN_MARGIN},
}

// EncodeSpec packs a specification. The name travels in DescribeResponse.
func EncodeSpec(s strategy.Spec) *pb.Spec {
	m := &pb.Spec{Window: int32(s.Window), Planned: s.Planned, Top: int32(s.Top), Text: s.Text}
	for _, c := range columns {
		if s.Columns&c.bit != 0 {
			m.Columns = append(m.Columns, c.name)
		}
	}
	return m
}

// DecodeSpec unpacks and validates the specification of the named strategy.
func DecodeSpec(m *pb.Spec, name string) (strategy.Spec, error) {
	s := strategy.Spec{Name: name, Window: int(m.GetWindow()), Planned: m.GetPlanned(), Top: int(m.GetTop()), Text: m.GetText()}
next:
	for _, column := range m.GetColumns() {
		for _, c := range columns {
			if c.name == column {
				s.Columns |= c.bit
				continue next
			}
		}
		return strategy.Spec{}, malformed("Spec", "strategy %q subscribes to column %v, which this host does not have; it may need a newer one", name, column)
	}
	if err := s.Validate(); err != nil {
		return strategy.Spec{}, malformed("Spec", "%v", err)
	}
	return s, nil
}
