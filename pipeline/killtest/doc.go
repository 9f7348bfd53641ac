// Package killtest kills workers, for real and at the worst moments, and counts what comes
// out. Three of them share a topic as one group; one after the other ends itself with
// SIGKILL at a point drawn at random (behind a poll, a computed record, its journal entry,
// what it produced, its commit), or is killed from outside, or frozen for longer than its
// session and back for a moment, and is started again at once or after its session has ended. In the end every record must be out: at least once, or
// exactly once to a reader of committed records.
//
// One command, which prints its seed:
//
//	A3_KAFKA=start go test ./pipeline/killtest -count=1 -v -timeout 1h -kills 200 [-seed N]
//
// A3_KAFKA names a real broker as for connectors/kafka; without it the broker is in memory.
package killtest
