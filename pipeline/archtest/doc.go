// Package archtest holds the rules of the source tree as data, and the tests that check
// them on every Go file, whatever its build tags: who may import whom (lattice_test.go),
// what the language offers but a folder must not use (bans_test.go), no package state
// (state_test.go), the size of files and the words in them (text_test.go), and that
// every dependency is justified (dependencies_test.go).
//
// A rule that fails names the file. Do not change a rule to fix a build: move the code,
// or argue for another architecture in a change of its own.
package archtest
