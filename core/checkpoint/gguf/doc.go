// Package gguf reads GGUF files, the format of llama.cpp: the metadata, and tensors as
// float32, whatever they are stored as. ../FORMAT.md shows the bytes and lists what is
// refused.
//
// File map:
//
//	file.go       File: one file, opened and checked; tensors as float32
//	header.go     the header: every length is checked against the file
//	metadata.go   Metadata: keys and their values, decoded when asked for
//	tensors.go    what a file says of its tensors, and that they tile its data
//	types.go      the types of tensors
//	quants.go     blocks of 32 elements as float32
//	kquants.go    super-blocks of 256 elements as float32
//
// What a file claims never sizes an allocation beyond what it holds.
package gguf
