// Package journal remembers on disk what a worker has computed and not yet delivered, so
// that a worker that was killed does not compute it again, and which records it was
// working on, so that one that kills it is found.
//
// It is a cache, with three consequences. A result is found by what it depends on, a Key:
// the same record under the same run always has the same one, wherever it comes from.
// Losing an entry costs work and never a record, so nothing waits for the disk: a killed
// process loses nothing, a power cut may. And it is bounded: the oldest entries go.
//
// A journal is a folder of segments, NNNNNNNN.a3-journal; the last one is appended to.
//
//	segment = "a3jrnl1\n" entry...
//	entry   = CRC-32C of the rest, 4 bytes | length of payload, 4 bytes | kind, 1 byte | key, 32 bytes | payload
//
// Numbers are little-endian. What follows a torn or damaged entry in its segment is
// forgotten.
//
//	kind 'B'  work on the record begins
//	     'P'  it pauses, undecided: the process goes on with something else, or ends in order
//	     'R'  it ended; payload: tokens, model calls (4 bytes each), then the output
//	     'F'  it ended without a result
//	     'A'  payload, 1 byte: so many times the process died while it was at work on it
package journal
