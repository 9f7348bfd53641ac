// Package bench measures what a machine can do with the engine: read memory, multiply,
// attend, train, decode. It is what a3 bench prints, and what comparisons with other
// engines are made of.
//
// # Method
//
// A measurement warms up once, then repeats for at least Options.Duration and at least
// three times, and reports the median. Repetitions that take microseconds are timed in
// batches. Operands are normally distributed: products of zeros draw less power and run
// faster than real ones.
//
// Threads do what they do in the engine: each owns a part of the rows (or of the columns
// where rows are few) or whole documents, and all are waited for at the end of a batch.
//
// # Names
//
// Results are named for good, since other programs compare them; sizes are part of the
// name. COMPUTE is a compute type, such as float32.
//
//	memory/read/SIZE                  GB/s of a working set that is cut among the threads
//	gemm/COMPUTE/MxNxK                GFLOP/s of rows [M,K] times packed weights [K,N]; rows come out, of few rows float32
//	attention/forward/COMPUTE/ROWS    GFLOP/s of causal attention, 9 heads of 64, 3 for keys; a document a thread
//	attention/backward/COMPUTE/ROWS
//	train/NETWORK/COMPUTE[/SEQUENCE]  document positions a second of whole optimizer steps
//	infill/ltr/COMPUTE/DOCUMENTS      filled tokens a second, of the model that was asked for
//	infill/groups4/COMPUTE/DOCUMENTS
//	generate/groups4/64               filled tokens a second, of the published example's network
//	generate/dynamic4/64
//	decode/ltr/COMPUTE/DOCUMENTS      filled tokens a second, of SmolLM2-135M's shape
//	decode/bandwidth/COMPUTE          bytes of weights read by decoding one document, as a share of what reading them alone reaches
//
// Strategies run in this process: ltr is ar, groups4 random:size=4, dynamic4
// confidence:size=4.
//
// What a job holds stands beside it: .../heap is measured, .../weights, .../kv (a document
// of full length) and .../activations (a position in training, both streams) follow from
// the shape.
//
// # Files
//
// plan.go says what can be asked for and run.go runs it; suite.go is the table of what is
// measured. A file for each section (memory, gemm, attention, train, decode) holds all
// that it calls of the engine; network.go makes the networks, compute.go knows the
// compute types. clock.go takes times, held.go counts bytes, busy.go what other
// processes took; machine.go and report.go describe the outcome.
package bench
