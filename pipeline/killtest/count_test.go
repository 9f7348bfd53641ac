package killtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/rows"
)

// check counts what is out.
func (h *harness) check() {
	h.Helper()
	out, dead := h.read(h.orders.Out), h.read(h.orders.Dead)
	missing, doubled, foreign := 0, 0, 0
	for _, value := range h.fed {
		where, want := out, string(result(value))
		if isBad(value) {
			where, want = dead, value
		}
		switch n := where[want]; {
		case n == 0:
			missing++
			h.Logf("%s is missing", value)
		case n > 1:
			doubled++
			if h.orders.ExactlyOnce {
				h.Logf("%s is out %d times", value, n)
			}
		}
		delete(where, want)
	}
	foreign = len(out) + len(dead)
	h.Logf("%d records in: %d missing, %d doubled, %d foreign", len(h.fed), missing, doubled, foreign)
	if missing > 0 || foreign > 0 || doubled > 0 && h.orders.ExactlyOnce {
		h.Error("the guarantee is broken")
	}
	h.checkDiary()
}

// read counts the documents in the committed records of a topic.
func (h *harness) read(topic string) map[string]int {
	h.Helper()
	ends, err := h.admin.ListCommittedOffsets(h.Context(), topic)
	if err != nil {
		h.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(h.orders.Brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		h.Fatal(err)
	}
	defer reader.Close()
	got := map[string]int{}
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			h.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				for _, value := range h.documents(r) {
					got[value]++
				}
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return got
}

// documents returns what a record is about: its value, or of a dead letter of rows those that
// failed.
func (h *harness) documents(r *kgo.Record) (values []string) {
	h.Helper()
	failed := ""
	for _, header := range r.Headers {
		if header.Key == pipeline.HeaderRows {
			failed = string(header.Value)
		}
	}
	if failed == "" {
		return []string{string(r.Value)}
	}
	list, err := rows.Split(r.Value, rows.DefaultLimits())
	if err != nil {
		h.Fatal(err)
	}
	for _, part := range strings.Split(failed, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err = errors.Join(err, err2); err != nil || from < 1 || to > len(list) {
			h.Fatalf("a letter of %d rows, of which %s failed: %v", len(list), failed, err)
		}
		for _, row := range list[from-1 : to] {
			values = append(values, string(row.JSON))
		}
	}
	return values
}

// checkDiary sees that no worker computed what was in its journal.
func (h *harness) checkDiary() {
	h.Helper()
	diary, err := os.ReadFile(filepath.Join(h.orders.Dir, "diary"))
	if err != nil {
		h.Fatal(err)
	}
	journaled := map[string]bool{}
	computed, again := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(diary)), "\n") {
		what, record, _ := strings.Cut(line, " ")
		switch {
		case what == "journaled":
			journaled[record] = true
		case journaled[record]:
			again++
			h.Logf("computed again: %s", record)
		default:
			computed++
		}
	}
	h.Logf("%d records were computed %d times", len(h.fed), computed)
	if again > 0 {
		h.Errorf("%d results were paid for twice by the worker that had them in its journal", again)
	}
}
