//go:build !noasm

package kernels

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instructions are uses of the macros in amx_amd64.h, the bytes that the processor
// manual's tables of opcodes and prefixes give for them, and how objdump writes them.
var instructions = []struct{ macro, bytes, intel string }{
	{"LDTILECFG(3)", "c4e2784903", "ldtilecfg [rbx]"},
	{"LDTILECFG(7)", "c4e2784907", "ldtilecfg [rdi]"},
	{"TILERELEASE", "c4e27849c0", "tilerelease"},
	{"TILEZERO(0)", "c4e27b49c0", "tilezero tmm0"},
	{"TILEZERO(5)", "c4e27b49e8", "tilezero tmm5"},
	{"TILELOADD(6, 3, 12, 64)", "c4a27b4bb42340000000", "tileloadd tmm6,[rbx+r12*1+0x40]"},
	{"TILELOADD(5, 11, 9, 0)", "c4827b4bac0b00000000", "tileloadd tmm5,[r11+r9*1+0x0]"},
	{"TILELOADD(4, 2, 1, 0)", "c4e27b4ba40a00000000", "tileloadd tmm4,[rdx+rcx*1+0x0]"},
	{"TILELOADDT1(4, 2, 9, 0)", "c4a2794ba40a00000000", "tileloaddt1 tmm4,[rdx+r9*1+0x0]"},
	{"TILESTORED(3, 7, 12, 2112)", "c4a27a4b9c2740080000", "tilestored [rdi+r12*1+0x840],tmm3"},
	{"TILESTORED(0, 15, 8, 0)", "c4827a4b840700000000", "tilestored [r15+r8*1+0x0],tmm0"},
	{"TDPBF16PS(0, 4, 6)", "c4e24a5cc4", "tdpbf16ps tmm0,tmm4,tmm6"},
	{"TDPBF16PS(3, 5, 7)", "c4e2425cdd", "tdpbf16ps tmm3,tmm5,tmm7"},
	{"TDPBSSD(0, 4, 6)", "c4e24b5ec4", "tdpbssd tmm0,tmm4,tmm6"},
	{"TDPBSSD(3, 5, 7)", "c4e2435edd", "tdpbssd tmm3,tmm5,tmm7"},
	{"VCVTNE2PS2BF16(0, 1, 0)", "62f2774872c0", "vcvtne2ps2bf16 zmm0,zmm1,zmm0"},
	{"VCVTNE2PS2BF16(17, 30, 25)", "62220f4072c9", "vcvtne2ps2bf16 zmm25,zmm30,zmm17"},
	{"VCVTNEPS2BF16(9, 2)", "62d27e4872d1", "vcvtneps2bf16 ymm2,zmm9"},
	{"PREFETCHW(7, 128)", "400f0d8f80000000", "rex prefetchw [rdi+0x80]"},
	{"PREFETCHW(9, 64)", "410f0d8940000000", "prefetchw [r9+0x40]"},
}

// The macros give the bytes of the instructions they are named for.
func TestInstructions(t *testing.T) {
	source := "#include \"textflag.h\"\n#include \"amx_amd64.h\"\n"
	for i, ins := range instructions {
		source += fmt.Sprintf("TEXT ·f%d(SB), NOSPLIT, $0\n\t%s\n\tRET\n", i, ins.macro)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "f.s")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	asm := exec.Command("go", "tool", "asm", "-S", "-p", "p", "-I", ".", "-I", filepath.Join(strings.TrimSpace(string(root)), "pkg", "include"), "-o", filepath.Join(dir, "f.o"), file)
	asm.Env = append(os.Environ(), "GOARCH=amd64")
	listing, err := asm.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, listing)
	}
	line := regexp.MustCompile(`(?m)^\t0x[0-9a-f]{4} ((?:[0-9a-f]{2} )+)`)
	var all []byte
	for i, function := range strings.Split(string(listing), "STEXT")[1:] {
		var code []byte
		for _, m := range line.FindAllStringSubmatch(function, -1) {
			b, err := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			code = append(code, b...)
		}
		code = bytes.TrimSuffix(code, []byte{0xc3})
		if got := hex.EncodeToString(code); got != instructions[i].bytes {
			t.Errorf("%s is %s, want %s", instructions[i].macro, got, instructions[i].bytes)
		}
		all = append(all, code...)
	}
	if len(all) == 0 {
		t.Fatalf("no code in the listing:\n%s", listing)
	}
	disassembled(t, dir, all)
}

// disassembled compares code with the instructions as objdump reads them, if there is one.
func disassembled(t *testing.T, dir string, code []byte) {
	objdump, err := exec.LookPath("objdump")
	if err != nil {
		return
	}
	file := filepath.Join(dir, "code")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", file).Output()
	if err != nil || !bytes.Contains(out, []byte("tilezero")) {
		t.Logf("objdump does not know tiles (%v)", err)
		return
	}
	line := regexp.MustCompile(`(?m)^ +[0-9a-f]+:\t(.*)$`)
	found := line.FindAllStringSubmatch(string(out), -1)
	if len(found) != len(instructions) {
		t.Errorf("objdump sees %d instructions, want %d", len(found), len(instructions))
	}
	for i, m := range found {
		got := strings.Join(strings.Fields(strings.NewReplacer("ZMMWORD PTR ", "", "BYTE PTR ", "").Replace(m[1])), " ")
		if i >= len(instructions) || got != instructions[i].intel {
			t.Errorf("instruction %d is %q for objdump", i, got)
		}
	}
}
