package telemetry

// Kind is what a metric counts like.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // only grows; restarts at 0 with the process
	Gauge     Kind = "gauge"     // goes up and down
	Histogram Kind = "histogram" // _bucket, _sum and _count
)

// Definition is a metric.
type Definition struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string
	// Buckets are the upper bounds of a histogram.
	Buckets []float64
}

// The names of the metrics.
const (
	runInfo          = "a3_run_info"
	stageIn          = "a3_stage_in_total"
	stageOut         = "a3_stage_out_total"
	stageErrors      = "a3_stage_errors_total"
	stageDropped     = "a3_stage_dropped_total"
	stageLatency     = "a3_stage_latency_seconds"
	documents        = "a3_documents_total"
	tokens           = "a3_tokens_total"
	modelCalls       = "a3_model_calls_total"
	batchSize        = "a3_batch_size"
	batchFill        = "a3_batch_fill_ratio"
	consumerLag      = "a3_consumer_lag"
	partitions       = "a3_partitions_assigned"
	rebalances       = "a3_rebalance_total"
	pluginRestarts   = "a3_plugin_restarts_total"
	checkpointAge    = "a3_checkpoint_age_seconds"
	trainingStep     = "a3_training_step"
	trainingSteps    = "a3_training_steps"
	trainingLoss     = "a3_training_loss"
	trainingGradient = "a3_training_gradient_norm"
)

// Catalog returns all metrics of a job. The process's own (go_*, process_*) are served
// beside them.
func Catalog() []Definition {
	// From a write of microseconds to a long document on a slow machine.
	seconds := []float64{.0001, .001, .01, .1, .5, 1, 5, 10, 60, 300, 1800}
	return []Definition{
		{Name: runInfo, Kind: Gauge, Labels: []string{"job", "version", "model", "strategy", "cpu", "compute"}, Help: "1; its labels say what runs"},
		{Name: stageIn, Kind: Counter, Labels: []string{"stage"}, Help: "records that entered a stage: read, prepare, compute, write, dead_letters"},
		{Name: stageOut, Kind: Counter, Labels: []string{"stage"}, Help: "records that a stage passed on"},
		{Name: stageErrors, Kind: Counter, Labels: []string{"stage"}, Help: "records that failed in a stage, and go to the dead letters"},
		{Name: stageDropped, Kind: Counter, Labels: []string{"stage"}, Help: "records that end in a stage without an output: tombstones, and records that another worker took over"},
		{Name: stageLatency, Kind: Histogram, Labels: []string{"stage"}, Buckets: seconds, Help: "from entering a stage to leaving it; of read, prepare and write that of a call"},
		{Name: documents, Kind: Counter, Labels: []string{"fate"}, Help: "documents by what became of them, each once: written, recalled (found in the journal, and written), unchanged, failed, dropped, taken (left to another worker, which took the partition)"},
		{Name: tokens, Kind: Counter, Labels: []string{"phase"}, Help: "tokens by what became of them: given (context), filled, scored, recalled (found in the journal), trained"},
		{Name: modelCalls, Kind: Counter, Help: "calls of the model that records took part in, counted for each record"},
		{Name: batchSize, Kind: Histogram, Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}, Help: "documents in a batch"},
		{Name: batchFill, Kind: Histogram, Buckets: []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1}, Help: "how much of a batch was used, of what it may hold"},
		{Name: consumerLag, Kind: Gauge, Labels: []string{"topic", "partition"}, Help: "records of a partition of this worker behind the group's commit"},
		{Name: partitions, Kind: Gauge, Help: "partitions that this worker has"},
		{Name: rebalances, Kind: Counter, Help: "times that partitions came to or left this worker"},
		{Name: pluginRestarts, Kind: Counter, Labels: []string{"plugin"}, Help: "restarts of a strategy after a failure"},
		{Name: checkpointAge, Kind: Gauge, Help: "since the last checkpoint, or since training began"},
		{Name: trainingStep, Kind: Gauge, Help: "optimizer steps done"},
		{Name: trainingSteps, Kind: Gauge, Help: "optimizer steps of the whole run"},
		{Name: trainingLoss, Kind: Gauge, Help: "training loss of the last step, nats a token"},
		{Name: trainingGradient, Kind: Gauge, Help: "norm of the gradient of the last step, before clipping"},
	}
}
