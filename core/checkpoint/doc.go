// Package checkpoint reads and writes everything of a model that lies on a disk:
// safetensors files, Hugging Face Llama configurations, model directories and the
// state of a training run. FORMAT.md shows the bytes.
//
// File map:
//
//	dtype.go      element types, Info
//	header.go     the safetensors header: parsed and checked before any data is read
//	file.go       File: one safetensors file, opened, mapped or in memory
//	shards.go     File over a sharded directory (model.safetensors.index.json)
//	read.go       tensors of a File as float32, float64, int64
//	write.go      safetensors out
//	config.go     LlamaConfig: its fields and their limits
//	configjson.go LlamaConfig from and to config.json
//	json.go       strict JSON objects: no duplicate keys, every error names its key
//	digest.go     SHA-256 of files
//	disk.go       the few file-system operations that writing needs; durable directories
//	model.go      a model directory and its digest
//	manifest.go   manifest.json of a training checkpoint
//	load.go       one checkpoint read and verified; the latest good one
//	store.go      a directory of checkpoints owned by one trainer
//	lock_*.go     what differs between operating systems
//	internal/     files mapped into memory; the 16-bit floating-point types
//	gguf/         GGUF files, which models are imported from
//
// Invariants:
//
//   - A reader checks the whole header before it trusts an offset: the tensors tile
//     the data, in range, without overlap or hole, with sizes that follow from dtype
//     and shape. What a file claims never sizes an allocation beyond what it holds.
//   - A tensor is converted in small pieces straight into the caller's memory, so
//     weights are never in memory twice.
//   - Bytes depend on content alone: names are sorted and no time is written, so the
//     same state gives the same files.
//   - Nothing is visible under its final name before it is complete and synced.
//
// Nothing here starts a goroutine, keeps global state or logs.
package checkpoint
