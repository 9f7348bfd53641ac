// Package kafka is the connector for Apache Kafka: a consumer group as source, an
// idempotent producer as sink, both at least once; or a transactor, exactly once.
//
// File map: cluster.go, tls.go and sasl.go say what to connect to and as whom; options.go,
// url.go and yaml.go what to do there; slot.go names a worker for good, and member.go makes
// it one of its group; source.go reads; partition.go is one assignment of a partition and
// its back-pressure; commit.go acknowledges; until.go ends batch jobs; begin.go says where a group
// begins; sink.go writes, with
// the headers of headers.go; transactor.go writes and acknowledges in one, by the requests
// of transaction.go; probe.go checks a cluster at the start. kafkatest/ starts a real broker
// for tests, embedded/ one in this process. connectors/DESIGN.md tells how acknowledgement
// works.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
)

// Source reads topics as a member of a consumer group.
//
// Heartbeats and rebalances run in the background, so that work on a record may take
// as long as it likes. Records of open transactions are waited for, those of aborted
// ones are left out.
type Source struct {
	opts    SourceOptions
	cluster string // its id
	slot    *slot  // nil if the options name the worker, or leave it without a name
	name    string // of the worker in the group; "" for none
	client  *kgo.Client
	admin   *kadm.Client // over client
	bounds  bounds

	from map[place]int64 // from opts.From; nil for none

	closeOnce sync.Once
	closeErr  error
	closed    chan struct{}
	stopLoop  context.CancelFunc
	loopDone  chan struct{}

	commitMu turn // see commit.go; taken before mu

	mu       sync.Mutex
	parts    map[place]*partition // mu: those assigned now
	placed   map[place]bool       // mu: those whose prescribed position was applied
	joined   bool                 // mu: an assignment has come
	failed   error                // mu: what ends the source
	stopPoll context.CancelFunc   // mu: ends the poll under way; nil for none
	woken    bool                 // mu: something happened since Read looked
	ended    bool                 // mu: io.EOF was returned
}

var _ connectors.Source = (*Source)(nil)

// OpenSource connects, checks the topics, and joins the group.
func OpenSource(ctx context.Context, o SourceOptions) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Source{
		opts: o, closed: make(chan struct{}), loopDone: make(chan struct{}),
		parts: map[place]*partition{}, placed: map[place]bool{}, commitMu: make(turn, 1),
	}
	if o.From != nil {
		s.from = map[place]int64{}
		for _, f := range o.From {
			s.from[placeOf(f)] = f.Next
		}
	}
	base, err := o.Cluster.options()
	if err != nil {
		return nil, err
	}
	err = probe(ctx, o.Brokers, o.Topics, base, func(ctx context.Context, admin *kadm.Client) (err error) {
		if s.bounds, err = lookUp(ctx, admin, o.Topics); err != nil {
			return err
		}
		s.cluster, err = clusterID(ctx, admin)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.claimName(); err != nil {
		return nil, err
	}
	// The client calls back from its own goroutines at once, and callbacks use
	// s.client and s.admin: they wait for mu.
	s.mu.Lock()
	s.client, err = kgo.NewClient(append(base, s.groupOptions()...)...)
	if err == nil {
		s.admin = kadm.NewClient(s.client)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka: %w", err), s.slot.release())
	}
	loop, stop := context.WithCancel(context.Background())
	s.stopLoop = stop
	go func() {
		defer close(s.loopDone)
		s.commitLoop(loop)
	}()
	return s, nil
}

// onAssigned begins an epoch for each new partition.
func (s *Source) onAssigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	defer s.tellRebalance(added)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range placesOf(added) {
		s.parts[at] = s.newPartition(at)
	}
	s.joined = true
	s.wakePoll()
}

// onRevoked ends epochs and commits for the last time before the partitions move on.
func (s *Source) onRevoked(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	defer s.tellRebalance(gone)
	s.failIfLasting(s.release(ctx, client, s.take(placesOf(gone))))
}

// onLost ends epochs of partitions that others may have already: no commit.
func (s *Source) onLost(_ context.Context, client *kgo.Client, gone map[string][]int32) {
	defer s.tellRebalance(gone)
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	for _, p := range s.take(placesOf(gone)) {
		s.drop(client, p)
	}
}

// tellRebalance tells the caller of partitions that came or went. Nothing is locked.
func (s *Source) tellRebalance(moved map[string][]int32) {
	if s.opts.OnRebalance != nil && len(placesOf(moved)) > 0 {
		s.opts.OnRebalance()
	}
}

// placesOf lists partitions as the client names them.
func placesOf(partitions map[string][]int32) []place {
	var out []place
	for topic, ids := range partitions {
		for _, id := range ids {
			out = append(out, place{topic, id})
		}
	}
	return out
}

// take removes partitions from the assigned ones.
func (s *Source) take(places []place) []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*partition
	for _, at := range places {
		if p := s.parts[at]; p != nil {
			out = append(out, p)
			delete(s.parts, at)
		}
	}
	return out
}

// assigned returns the partitions assigned now.
func (s *Source) assigned() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		out = append(out, p)
	}
	return out
}

// fail makes later Reads return the error.
func (s *Source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.wakePoll()
}

// failIfLasting does so for an error of a commit that will not pass by itself.
func (s *Source) failIfLasting(err error) {
	if err != nil && lasting(err) {
		s.fail(fmt.Errorf("kafka: commit of group %s: %w", s.opts.Group, err))
	}
}

// wakePoll ends the poll under way, so that Read looks again. The caller holds mu.
func (s *Source) wakePoll() {
	s.woken = true
	if s.stopPoll != nil {
		s.stopPoll()
	}
}

// Read implements connectors.Source.
func (s *Source) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	for {
		if err := s.readable(ctx); err != nil {
			return nil, err
		}
		out, err := s.poll(ctx, max)
		if len(out) > 0 || err != nil {
			return out, err
		}
	}
}

// readable returns why there is nothing more to read, or nil.
func (s *Source) readable(ctx context.Context) error {
	s.mu.Lock()
	s.woken = false
	s.mu.Unlock()
	select {
	case <-s.closed:
		return connectors.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	failed, ended := s.failed, s.ended
	s.mu.Unlock()
	if failed != nil {
		return failed
	}
	if s.opts.Until != UntilEnd {
		return nil
	}
	if !ended {
		var err error
		if ended, err = s.finished(ctx); err != nil {
			return s.orClosed(err)
		}
	}
	if !ended {
		return nil
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	return io.EOF
}

// recheck is how often a source that reads until the end looks whether the others of
// its group have finished.
const recheck = 500 * time.Millisecond

// poll waits for records and tracks them. It may return nothing, to be called again.
func (s *Source) poll(ctx context.Context, max int) ([]connectors.Delivery, error) {
	wait := time.Duration(math.MaxInt64)
	if s.opts.Until == UntilEnd {
		wait = recheck
	}
	pollCtx, stop := context.WithTimeout(ctx, wait)
	defer stop()
	s.mu.Lock()
	s.stopPoll = stop
	if s.woken {
		stop()
	}
	s.mu.Unlock()

	fetches := s.client.PollRecords(pollCtx, max)
	defer s.client.AllowRebalance()

	s.mu.Lock()
	s.stopPoll = nil
	var out []connectors.Delivery
	touched := map[*partition]bool{}
	fetches.EachRecord(func(r *kgo.Record) {
		at := place{r.Topic, r.Partition}
		p := s.parts[at]
		if p == nil {
			return // taken away: its next owner reads it
		}
		p.position = r.Offset + 1
		if s.opts.Until == UntilEnd && r.Offset >= s.bounds.end[at] {
			return // came after the start: left to the next job of the group
		}
		origin := connectors.Origin{Stream: r.Topic, Partition: r.Partition, Offset: r.Offset, Next: r.Offset + 1}
		if r.Attrs.IsControl() {
			p.acks.Track(origin, 0)(nil)
			return
		}
		touched[p] = true
		rec := fromKafka(r, origin)
		if kind := contentTypes[s.opts.Format]; kind != "" {
			rec.Headers = append(rec.Headers, connectors.Header{Name: connectors.HeaderContentType, Value: []byte(kind)})
		}
		out = append(out, connectors.Delivery{Record: rec, Settle: p.acks.Track(origin, size(r)), Current: p.acks.Current})
	})
	s.mu.Unlock()

	for p := range touched {
		s.maybePause(s.client, p)
	}
	var failed error
	fetches.EachError(func(topic string, id int32, err error) {
		if failed == nil {
			failed = s.pollError(pollCtx, topic, id, err)
		}
	})
	if failed != nil && len(out) > 0 {
		s.fail(failed) // the next Read returns it
		return out, nil
	}
	return out, failed
}

// contentTypes are what a record says of itself in each format; nothing, for JSON.
var contentTypes = map[Format]string{FormatText: connectors.ContentTypeText, FormatArrow: connectors.ContentTypeArrow}

// pollError returns the error to report, or nil for one that passes.
func (s *Source) pollError(pollCtx context.Context, topic string, id int32, err error) error {
	var session *kgo.ErrGroupSession
	switch {
	case errors.Is(err, kgo.ErrClientClosed):
		return connectors.ErrClosed
	case pollCtx.Err() != nil && errors.Is(err, pollCtx.Err()):
		return nil // Read looks why
	case errors.As(err, &session) && !lasting(err):
		return nil // the client joins again by itself
	case errors.As(err, &session):
		return fmt.Errorf("kafka: group %s: %w", s.opts.Group, session.Err)
	}
	return fmt.Errorf("kafka: read %s/%d: %w", topic, id, err)
}

// orClosed prefers the reason that explains an error during Close.
func (s *Source) orClosed(err error) error {
	select {
	case <-s.closed:
		return connectors.ErrClosed
	default:
		return err
	}
}

func fromKafka(r *kgo.Record, origin connectors.Origin) connectors.Record {
	rec := connectors.Record{Origin: origin, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, connectors.Header{Name: h.Key, Value: h.Value})
	}
	return rec
}

// size is what a record holds in memory.
func size(r *kgo.Record) int64 {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return int64(n)
}

// Close implements connectors.Source: it commits what is settled and leaves the
// group, within ctx. An error means that settled records may come again.
func (s *Source) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.mu.Lock()
		s.wakePoll()
		mine := slices.Collect(maps.Keys(s.parts))
		s.mu.Unlock()
		s.stopLoop()
		<-s.loopDone
		err := s.release(ctx, s.client, s.take(mine))
		if err != nil {
			err = fmt.Errorf("kafka: commit of group %s: %w", s.opts.Group, err)
		}
		s.client.AllowRebalance()
		if leaveErr := s.leave(ctx); leaveErr != nil && err == nil {
			err = fmt.Errorf("kafka: leave group %s: %w", s.opts.Group, leaveErr)
		}
		s.client.CloseAllowingRebalance()
		err = errors.Join(err, s.slot.release())
		s.closeErr = err
	})
	return s.closeErr
}
