// Package convert brings models in and out: Hugging Face directories and GGUF files in,
// directories that Hugging Face's libraries read out; and it tells what a model is.
//
// A model is read through a source, which gives its tensors by Hugging Face's names and
// in its layout, a few thousand elements at a time, and is written as a model directory
// (core/checkpoint): no tensor is ever in memory as a whole. ../../../core/checkpoint/FORMAT.md
// has the formats, ../../../docs/bring-your-own-model.md is for users.
//
// File map:
//
//	source.go      source; a directory as one
//	gguf.go        a GGUF file as one: names, and the order of rows
//	ggufconfig.go  its metadata as a configuration and a tokenizer
//	import.go      Import
//	export.go      Export
//	describe.go    Describe, what a3 model inspect prints
//	testdata/      the Python that loads an export with transformers
package convert
