// Package rows reads records that hold many documents, Arrow IPC streams, and writes
// results as such.
//
// A row is a document: its columns are the fields that a JSON record has, and Split makes
// that record of it, so that one parser says what a field means, and refuses what it does
// not know. Join goes the other way.
//
//	JSON                          Arrow
//	string                        utf8, large_utf8
//	whole number                  int64, and integers of all widths
//	other number                  float64, float32, float16
//	true, false                   bool
//	array                         list, large_list
//	object                        struct
//	null                          null
//	base64 in a string            binary, large_binary
//
// A column "text" of bytes may hold any: those that are no UTF-8 stand as "text_b64". NaN
// is null, as pandas has it. Join writes the first type of each line; values that have no
// type in common, and empty objects, stay JSON in a column of utf8.
//
// What anybody may send is read: sizes are bounded by the bytes that are there, see
// package ipcguard, and by Limits.
package rows
