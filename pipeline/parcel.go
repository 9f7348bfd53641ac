package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/rows"
)

// parcel is a record that holds several documents, its rows. Each of them is an item, with
// an output or a failure of its own; they are delivered together, so that their record is
// acknowledged with all of its results and none is repeated that is not.
type parcel struct {
	delivery connectors.Delivery
	rows     int
	arrived  int // at the writer, which owns it
	settled  int // of the rows; the writer's
}

// unpack returns the documents of a delivery: its rows, if it is an Arrow IPC stream.
func unpack(d connectors.Delivery) []*Item {
	whole := &Item{Delivery: d}
	if d.Err != nil || d.Value == nil || !d.IsArrow() {
		return []*Item{whole}
	}
	list, err := rows.Split(d.Value, rows.DefaultLimits())
	if err != nil {
		whole.Err = err
		return []*Item{whole}
	}
	if len(list) == 0 {
		whole.Note.Dropped = true
		return []*Item{whole}
	}
	p := &parcel{delivery: d, rows: len(list)}
	items := make([]*Item, len(list))
	headers := withoutContentType(d.Headers)
	for i, row := range list {
		item := &Item{Delivery: d, Err: row.Err, parcel: p}
		item.Delivery.Origin.Row = int64(i + 1)
		item.Delivery.Value, item.Delivery.Headers = row.JSON, headers
		item.Delivery.Settle = p.settle
		items[i] = item
	}
	return items
}

// settle settles one row. The record is settled with the last of them.
func (p *parcel) settle(err error) {
	if p.settled++; err != nil || p.settled == p.rows {
		p.delivery.Settle(err)
	}
}

// whole reports whether all items are there that are to be delivered with this one, and
// returns how many they are, this one being the first.
func (i *Item) whole() (n int, ok bool) {
	if i.parcel == nil {
		return 1, true
	}
	return i.parcel.rows, i.parcel.arrived == i.parcel.rows
}

// last reports whether this is the last item of its record.
func (i *Item) last() bool {
	return i.parcel == nil || i.Delivery.Origin.Row == int64(i.parcel.rows)
}

// together returns the items that have a record to be written, in groups of those that
// share one: the failures of a parcel, whose dead letter is the parcel's, and its outputs,
// where these are rows again.
func (r *runner) together(batch []*Item) (groups [][]*Item) {
	type share struct {
		of     *parcel
		failed bool
	}
	places := map[share]int{}
	for _, item := range batch {
		failed := item.Err != nil
		if !failed && !item.written() {
			continue
		}
		s := share{item.parcel, failed}
		at, shared := places[s]
		if item.parcel != nil && (failed || r.options.Arrow) && shared {
			groups[at] = append(groups[at], item)
			continue
		}
		places[s] = len(groups)
		groups = append(groups, []*Item{item})
	}
	return groups
}

// outputRecord carries the input's key, headers and time along, but for a header by which
// other values were told from JSON.
func (r *runner) outputRecord(group []*Item) (connectors.Record, error) {
	first := group[0]
	rec := first.Delivery.Record
	rec.Value = first.Output
	rec.Headers = withoutErrors(rec.Headers)
	if rec.IsText() {
		rec.Headers = withoutContentType(rec.Headers)
	}
	if !r.options.Arrow || rec.Value == nil {
		return rec, nil
	}
	if first.parcel != nil {
		rec.Origin.Row = 0
	}
	objects := make([][]byte, len(group))
	for i, item := range group {
		objects[i] = item.Output
	}
	var err error
	if rec.Value, err = rows.Join(objects); err != nil {
		return rec, fmt.Errorf("output of %v: %w", rec.Origin, err)
	}
	rec.Headers = append(withoutContentType(rec.Headers), connectors.Header{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeArrow)})
	return rec, nil
}

// withoutContentType returns a copy of headers, which are the source's.
func withoutContentType(headers []connectors.Header) []connectors.Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h connectors.Header) bool { return h.Name == connectors.HeaderContentType })
}

// reasonsOf says why rows of a record failed: of the first few of them.
func reasonsOf(group []*Item) string {
	const most = 8
	var text strings.Builder
	for i, item := range group[:min(len(group), most)] {
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "row %d: %v", item.Delivery.Origin.Row, item.Err)
	}
	if more := len(group) - most; more > 0 {
		fmt.Fprintf(&text, "; and %d more rows", more)
	}
	return text.String()
}

// rowsOf lists the rows of a group, ascending: "2,5-7".
func rowsOf(group []*Item) string {
	var text []byte
	for i := 0; i < len(group); {
		from := group[i].Delivery.Origin.Row
		to := from
		for i++; i < len(group) && group[i].Delivery.Origin.Row == to+1; i++ {
			to++
		}
		if text != nil {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, from, 10)
		if to > from {
			text = strconv.AppendInt(append(text, '-'), to, 10)
		}
	}
	return string(text)
}
