// Package convert brings models in and out: Hugging Face directories and GGUF files in,
// Hugging Face directories out.
//
// A model is read through a source, which gives its tensors by Hugging Face's names and
// in its layout, a few thousand elements at a time, and is written as a model directory
// (core/checkpoint): no tensor is ever in memory as a whole.
package convert
