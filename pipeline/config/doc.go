// Package config is the configuration of any job as one YAML document, and as the
// struct that the command line fills from its flags: one form, whichever way it came.
//
//	text -> tree -> --set -> Config        Load, in load.go
//	        tree.go  set.go  decode.go
//
// A scalar is its text, whatever its quotes; the field says what it means. Variables,
// ${NAME} and ${NAME:default}, are put into scalars after parsing, so that a value
// cannot change the document's structure. All problems are found at once, each with its
// file, line and path (problem.go): fields that are not known, with the nearest that is;
// values of the wrong kind; and, in check.go, what cannot work together.
//
// Fields lists every field with its default; a test holds docs/configuration.md to it.
package config
