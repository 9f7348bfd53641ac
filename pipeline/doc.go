// Package pipeline carries records from a source through a job to a sink: bounded
// stages, output in the order of the input, dead letters, and acknowledgement of what
// is contiguous and durable. What a job does with a record is in the packages infill,
// rewrite and score; the command line wires them.
//
// DESIGN.md beside this file follows one record through the stages.
package pipeline
