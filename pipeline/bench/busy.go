package bench

import (
	"os"
	"strconv"
	"strings"
)

// ticks counts what the CPUs did since the system started, in the kernel's ticks.
type ticks struct {
	all  float64 // of all CPUs, idle ones too
	busy float64 // of all processes
	own  float64 // of this one
}

// readTicks returns the counts of this moment; without Linux's /proc there are none.
func readTicks() ticks {
	system, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}
	}
	self, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return ticks{}
	}
	return parseTicks(string(system), string(self))
}

// parseTicks reads /proc/stat and /proc/self/stat; what it cannot read counts nothing.
func parseTicks(system, self string) (t ticks) {
	first, _, _ := strings.Cut(system, "\n")
	const idle, ioWait, last = 4, 5, 8 // after the word cpu: user nice system idle iowait irq softirq steal
	for i, n := range numbers(strings.Fields(first), 1, last) {
		t.all += n
		if i+1 != idle && i+1 != ioWait {
			t.busy += n
		}
	}
	fields := strings.Fields(self[strings.LastIndexByte(self, ')')+1:]) // the program's name may hold anything
	for _, n := range numbers(fields, 11, 12) {                         // utime and stime
		t.own += n
	}
	return t
}

// numbers returns fields [first, last], or none of them.
func numbers(fields []string, first, last int) []float64 {
	if len(fields) <= last {
		return nil
	}
	list := make([]float64, 0, last-first+1)
	for _, f := range fields[first : last+1] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return nil
		}
		list = append(list, n)
	}
	return list
}

// othersSince returns the share of the CPUs' time that went to other processes since
// before, 0 to 1; 0 also if nothing is known.
func (t ticks) othersSince(before ticks) float64 {
	if t.all <= before.all {
		return 0
	}
	others := (t.busy - before.busy) - (t.own - before.own)
	return min(1, max(0, others/(t.all-before.all)))
}
