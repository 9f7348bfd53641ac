// Package batching turns tokenized documents into Arrow record batches: packed
// training batches, and batches of canvases to decode.
//
// The life of a training batch: a Corpus or a Stream gives documents; a Chunker
// cuts them to the context; the chunks are packed, in order, until the token budget
// is full; the curriculum's mixture for that step draws each chunk's grouping; the
// Loader hands out "the batch for step n", prepared ahead by one goroutine; a
// Recorder may keep it as Arrow IPC, and a Replay gives it back.
//
// What makes training resume bit for bit:
//
//   - The batch for a step is a pure function of the documents, the Recipe and the
//     Cursor behind the step before. Prefetch changes nothing.
//   - The cursor travels with the batch (TrainingBatch.After). A checkpoint takes it
//     from the last batch that was trained, so batches that were only prefetched are
//     made again.
//   - The order of an epoch follows from document keys, not from the order in which
//     the documents were loaded.
//
// DESIGN.md holds the schemas and the file format.
package batching
