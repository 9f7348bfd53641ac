package killtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline/rows"
)

// feedRows puts records of five rows each in.
func (r *rig) feedRows(records int) (values []string) {
	r.format = kafka.FormatArrow
	for i := range records {
		var objects [][]byte
		for j := range 5 {
			object := fmt.Sprintf(`{"text":"doc%d"}`, 5*i+j)
			values, objects = append(values, object), append(objects, []byte(object))
		}
		value, err := rows.Join(objects)
		if err != nil {
			r.Fatal(err)
		}
		if err := r.client.ProduceSync(r.Context(), &kgo.Record{Value: value}).FirstErr(); err != nil {
			r.Fatal(err)
		}
	}
	return values
}

// A worker hangs on the third row of a record while another joins and takes a partition from
// it, and is then stopped. Nothing of that record is acknowledged, though two of its rows are
// computed; each row is out in the end, exactly once if that was asked for.
func TestRevokedAmongRows(t *testing.T) {
	for _, exactlyOnce := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", exactlyOnce), func(t *testing.T) {
			onRig(t, 2, func(r *rig) {
				values := r.feedRows(12)
				hung := stub{hangs: values[2], begun: make(chan struct{})}
				ctx, stop := context.WithCancel(r.Context())
				first, second := make(chan error), make(chan error)
				go func() {
					_, err := r.pipeline(ctx, hung, exactlyOnce)
					first <- err
				}()
				<-hung.begun
				go func() {
					_, err := r.pipeline(r.Context(), stub{}, exactlyOnce)
					second <- err
				}()
				time.Sleep(15 * time.Minute)
				free := max(r.committed(0), r.committed(1))
				if held := min(r.committed(0), r.committed(1)); held != 0 || free != 6 {
					r.Errorf("the partitions are committed up to %d and %d, want 0 for the one that hangs and all of the other", held, free)
				}
				stop()
				if err := <-first; !errors.Is(err, context.Canceled) {
					r.Errorf("the worker that was stopped: %v", err)
				}
				if err := <-second; err != nil {
					r.Fatal(err)
				}
				r.wantOut(values, exactlyOnce)
			})
		})
	}
}
