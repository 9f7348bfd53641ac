package telemetry

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics counts what a job does. Its methods may be called from any goroutine.
type Metrics struct {
	registry   *prometheus.Registry
	counters   map[string]*prometheus.CounterVec
	gauges     map[string]*prometheus.GaugeVec
	histograms map[string]*prometheus.HistogramVec

	mu         sync.Mutex
	checkpoint time.Time // mu; zero = the job does not train
}

// NewMetrics returns the metrics of a job, at zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		counters:   map[string]*prometheus.CounterVec{},
		gauges:     map[string]*prometheus.GaugeVec{},
		histograms: map[string]*prometheus.HistogramVec{},
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, d := range Catalog() {
		switch {
		case d.Name == checkpointAge:
			m.registry.MustRegister(ageCollector{m, prometheus.NewDesc(d.Name, d.Help, nil, nil)})
		case d.Kind == Counter:
			m.counters[d.Name] = prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
			m.registry.MustRegister(m.counters[d.Name])
		case d.Kind == Gauge:
			m.gauges[d.Name] = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
			m.registry.MustRegister(m.gauges[d.Name])
		case d.Kind == Histogram:
			m.histograms[d.Name] = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.Labels)
			m.registry.MustRegister(m.histograms[d.Name])
		}
	}
	return m
}

// ageCollector computes the age of the checkpoint when it is asked for.
type ageCollector struct {
	*Metrics
	desc *prometheus.Desc
}

func (c ageCollector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

func (c ageCollector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	last := c.checkpoint
	c.mu.Unlock()
	if !last.IsZero() {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, time.Since(last).Seconds())
	}
}

// Run says what runs.
type Run struct{ Job, Version, Model, Strategy, CPU, Compute string }

// Running is told what runs, as soon as that is known.
func (m *Metrics) Running(r Run) {
	m.gauges[runInfo].WithLabelValues(r.Job, r.Version, r.Model, r.Strategy, r.CPU, r.Compute).Set(1)
}

// Entered is told of records that entered a stage.
func (m *Metrics) Entered(stage string, n int) {
	m.counters[stageIn].WithLabelValues(stage).Add(float64(n))
}

// Left is told of records that left a stage: passed on, failed in it, or dropped. took is
// how long they, or the call that dealt with all of them, were in it.
func (m *Metrics) Left(stage string, out, failed, dropped int, took time.Duration) {
	for name, n := range map[string]int{stageOut: out, stageErrors: failed, stageDropped: dropped} {
		m.counters[name].WithLabelValues(stage).Add(float64(n))
	}
	m.histograms[stageLatency].WithLabelValues(stage).Observe(took.Seconds())
}

// Document is told what became of a document.
func (m *Metrics) Document(fate string) { m.counters[documents].WithLabelValues(fate).Inc() }

// Tokens is told of tokens in a phase: given, filled, scored or trained.
func (m *Metrics) Tokens(phase string, n int) {
	m.counters[tokens].WithLabelValues(phase).Add(float64(n))
}

// ModelCalls is told of calls that a record took part in.
func (m *Metrics) ModelCalls(n int) { m.counters[modelCalls].WithLabelValues().Add(float64(n)) }

// Batch is told of a batch of documents, which used a share of what it may hold.
func (m *Metrics) Batch(documents int, fill float64) {
	m.histograms[batchSize].WithLabelValues().Observe(float64(documents))
	m.histograms[batchFill].WithLabelValues().Observe(fill)
}

// Lag is told how far a partition's commit is behind its end.
func (m *Metrics) Lag(topic string, partition int32, records int64) {
	m.gauges[consumerLag].WithLabelValues(topic, strconv.Itoa(int(partition))).Set(float64(records))
}

// Unassigned is told that a partition is not this worker's any more.
func (m *Metrics) Unassigned(topic string, partition int32) {
	m.gauges[consumerLag].DeleteLabelValues(topic, strconv.Itoa(int(partition)))
}

// Rebalanced is told that partitions came or went.
func (m *Metrics) Rebalanced() { m.counters[rebalances].WithLabelValues().Inc() }

// Assigned is told how many partitions this worker has.
func (m *Metrics) Assigned(n int) { m.gauges[partitions].WithLabelValues().Set(float64(n)) }

// PluginRestarted is told that a strategy was started again after a failure.
func (m *Metrics) PluginRestarted(plugin string) {
	m.counters[pluginRestarts].WithLabelValues(plugin).Inc()
}

// TrainingBegan is told when training begins: the age of the checkpoint counts from here.
func (m *Metrics) TrainingBegan() { m.saved() }

// Step is a step of training.
type Step struct {
	Done, Steps    int // steps, of the whole run
	Tokens         int // trained in this step
	Fill           float64
	Loss, GradNorm float64
	Saved          bool // a checkpoint was written
	Took           time.Duration
}

// Trained is told of a step.
func (m *Metrics) Trained(s Step) {
	for name, value := range map[string]float64{
		trainingStep: float64(s.Done), trainingSteps: float64(s.Steps), trainingLoss: s.Loss, trainingGradient: s.GradNorm,
	} {
		m.gauges[name].WithLabelValues().Set(value)
	}
	m.Tokens("trained", s.Tokens)
	m.histograms[batchFill].WithLabelValues().Observe(s.Fill)
	m.histograms[stageLatency].WithLabelValues("train").Observe(s.Took.Seconds())
	if s.Saved {
		m.saved()
	}
}

func (m *Metrics) saved() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkpoint = time.Now()
}
