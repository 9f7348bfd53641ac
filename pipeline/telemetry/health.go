package telemetry

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Health knows what a job waits for. It is live from its start to its end, and ready
// when nothing is waited for and it is not draining. Its methods may be called from any
// goroutine.
type Health struct {
	mu       sync.Mutex
	waiting  []string // mu: in the order in which they were named
	draining bool     // mu
}

// NewHealth returns the health of a job that waits for some conditions, such as "model".
func NewHealth(conditions ...string) *Health { return &Health{waiting: conditions} }

// Met is told that a condition holds.
func (h *Health) Met(condition string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = slices.DeleteFunc(slices.Clone(h.waiting), func(c string) bool { return c == condition })
}

// Lost is told that a condition does not hold any more.
func (h *Health) Lost(condition string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.waiting, condition) {
		h.waiting = append(slices.Clone(h.waiting), condition)
	}
}

// Drain is told that the job takes no more records and ends when it is through.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// state says whether the job is ready, or why not.
func (h *Health) state() (text string, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return "draining", false
	case len(h.waiting) > 0:
		return "waiting for " + strings.Join(h.waiting, ", "), false
	}
	return "ready", true
}

// live answers /livez.
func (h *Health) live(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "live") }

// ready answers /readyz: 503 with the reason until the job is ready.
func (h *Health) ready(w http.ResponseWriter, _ *http.Request) {
	text, ready := h.state()
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, text)
}
