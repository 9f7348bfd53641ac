// Package docstest runs what the pages of this repository show: the README, everything
// in docs/, and every other *.md that is not in a testdata folder.
//
// A fenced block of language console is a session: a line after "$ " is a command (with
// "> " or a backslash it goes on in the next line), what follows is its output, errors
// included. A command must succeed. Its output is compared if the page shows any; in it
// a line "..." stands for any lines, and "..." in a line for any text; the last digits of
// decimal numbers, which depend on the CPU level, do not count, and commands compute in
// float32 on all machines. A block of language sh is commands, one a line, without output.
//
// The commands of a page run one after another in a fresh copy of the repository, those
// of one block in one shell, with a3 on the PATH; "go run ." runs that same a3. A command
// that .ci/run has too, such as the README's go test ./..., is left to it.
//
// Words behind the language change what happens:
//
//	console skip=needs-docker   not run; the reason shows among the skipped tests
//	console exit=1              the last command ends with this status
//	console kafka=HOST:PORT     run on a real Kafka; see below
//	go file=strategy/main.go    not a command: the file that later blocks of the page use
//
// A block of Go that begins with a package clause must compile (a _test.go file is left
// to a go test of the page). Commands in the running
// text, `a3 infill --seed 7 x.jsonl`, are not run: the command and its flags must exist.
// Links to files must lead somewhere.
//
// The blocks of a page with kafka= are one session: they run in one shell, after the
// others, with a broker of the test's own at that address (elsewhere, and with its address
// in place of the one shown, if somebody listens there) and Kafka's own tools on the PATH.
// In the end a reader of committed records must find each record of stories-in once in
// stories-out, and no dead letter. It takes Java and Maven:
//
//	A3_KAFKA=start go test ./pipeline/docstest -run TestPages/README.md/kafka
//
//	go test ./pipeline/docstest -update
//
// writes the outputs into the pages; read the difference before you commit it.
package docstest
