package training

import (
	"context"
	"fmt"
)

// Extent is what a partition of a topic holds: the records from First on, before End.
type Extent struct {
	Stream     string
	Partition  int32
	First, End int64
}

// checkLost refuses to go on from a checkpoint if the topic has no longer what comes behind
// it: its records were removed, or it is another topic of that name. With SkipLost the run
// goes on with the oldest that are left.
func (r *run) checkLost(ctx context.Context) error {
	extents, err := r.Topic.Extents(ctx)
	if err != nil {
		return err
	}
	holds := map[position]Extent{}
	for _, e := range extents {
		holds[position{e.Stream, e.Partition}] = e
	}
	refuse := func(format string, args ...any) error {
		return &MismatchError{"checkpoint " + r.saved, fmt.Sprintf(format, args...) + ", or train into another directory"}
	}
	for i := range r.state.Marks {
		m := &r.state.Marks[i]
		name := fmt.Sprintf("%s/%d", m.Stream, m.Partition)
		e, there := holds[position{m.Stream, m.Partition}]
		switch {
		case !there:
			return refuse("was trained on %s, which is not there any more; resume with the topic that it was trained on", name)
		case m.Next > e.End:
			return refuse("was trained up to offset %d of %s, which ends at %d: this is not the topic that it was trained on; resume with that", m.Next, name, e.End)
		case m.Next >= e.First:
		case !r.SkipLost:
			return refuse("was trained up to offset %d of %s, which begins at %d by now: up to %d records were removed before they were learned; "+
				"go on without them by --skip-lost (job.train.skip_lost)", m.Next, name, e.First, e.First-m.Next)
		default:
			r.warn(fmt.Sprintf("goes on at offset %d of %s: up to %d records behind the checkpoint were removed", e.First, name, e.First-m.Next))
			m.Next, m.Row, m.Offset, m.Chunk = e.First, 0, 0, 0
		}
	}
	return nil
}

// warn tells the user something that does not end the run.
func (r *run) warn(text string) {
	if r.Warn != nil {
		r.Warn(text)
	}
}
