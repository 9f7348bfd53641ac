// Package seq holds the values that the whole engine speaks of: documents as
// known tokens and blanks, groupings of their positions, and the generation
// order that turns a grouping into a few integers a row.
//
// It imports the standard library alone, so that the contracts built on it
// (core/strategy, the plugin SDK) stay small.
//
// The words are the paper's (A3, arXiv 2601.13228):
//
//   - A position is an index into a document, 0 to N-1. Rotary embeddings use it,
//     whatever the order of generation.
//   - A group is a set of positions predicted at once, given all earlier groups.
//     Group ids are compared, never used as indexes: only their order matters.
//   - Generation order sorts positions by group, ties by position.
//   - A content row carries a known token; it sees keys of groups <= its own.
//     A query row carries no token; it sees keys of groups < its own.
package seq
