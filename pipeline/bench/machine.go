package bench

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/cpu"

	"github.com/any-order/a3/core/kernels"
)

// Machine is what a report was made on.
type Machine struct {
	OS        string   `json:"os"`
	Arch      string   `json:"arch"`
	Go        string   `json:"go"`
	Processor string   `json:"processor,omitempty"` // as it calls itself; empty if the system does not say
	CPUs      int      `json:"cpus"`                // that this process may use
	Threads   int      `json:"threads"`
	Features  []string `json:"features"` // of the CPU, among those that kernels like
	Levels    []string `json:"levels"`   // of the kernels, best first
	Level     string   `json:"level"`    // used
	Compute   []string `json:"compute"`  // types used
}

func machineOf(k *kernels.Kernels, compute []computeType, threads int) Machine {
	m := Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Processor: processor(),
		CPUs: runtime.NumCPU(), Threads: threads,
		Features: features(), Level: string(k.Level()), Compute: namesOf(compute),
	}
	for _, l := range kernels.Levels() {
		m.Levels = append(m.Levels, string(l))
	}
	return m
}

func features() []string {
	list := []string{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"avx2", cpu.X86.HasAVX2},
		{"fma", cpu.X86.HasFMA},
		{"avx512f", cpu.X86.HasAVX512F},
		{"avx512vl", cpu.X86.HasAVX512VL},
		{"avx512vnni", cpu.X86.HasAVX512VNNI},
		{"avx512bf16", cpu.X86.HasAVX512BF16},
		{"amx-tile", cpu.X86.HasAMXTile},
		{"amx-bf16", cpu.X86.HasAMXBF16},
		{"amx-int8", cpu.X86.HasAMXInt8},
		{"asimd", cpu.ARM64.HasASIMD},
		{"asimddp", cpu.ARM64.HasASIMDDP},
		{"sve", cpu.ARM64.HasSVE},
		{"sve2", cpu.ARM64.HasSVE2},
	} {
		if f.has {
			list = append(list, f.name)
		}
	}
	return list
}

// processor returns the name that Linux knows the processor by.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
