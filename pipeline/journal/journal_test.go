package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir, Options{MaxBytes: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// crash ends a journal as a killed process ends: the system closes its files.
func (j *Journal) crash(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	check(t, j.release())
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func key(name string) Key { return NewKey("run", false, []byte(name)) }

func wantResult(t *testing.T, j *Journal, name, output string) {
	t.Helper()
	r, ok, err := j.Find(key(name))
	if err != nil || !ok || string(r.Output) != output || r.Tokens != len(output) || r.ModelCalls != 1 {
		t.Errorf("%s: %+v %v %v, want %q", name, r, ok, err, output)
	}
}

func done(j *Journal, name, output string) error {
	return errors.Join(j.Begin(key(name)), j.Done(key(name), Result{Output: []byte(output), Tokens: len(output), ModelCalls: 1}))
}

func TestResultsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	check(t, done(j, "a", "alpha"), done(j, "empty", ""), done(j, "b", "beta"))
	wantResult(t, j, "a", "alpha")
	j.crash(t)
	j = open(t, dir)
	defer j.Close()
	wantResult(t, j, "a", "alpha")
	wantResult(t, j, "empty", "")
	wantResult(t, j, "b", "beta")
	if _, ok, err := j.Find(key("c")); ok || err != nil {
		t.Errorf("found what was never there: %v", err)
	}
}

func TestWhatWasAtWorkWhenTheProcessDied(t *testing.T) {
	dir := t.TempDir()
	begin := func(j *Journal, names ...string) {
		for _, name := range names {
			check(t, j.Begin(key(name)))
		}
	}
	want := func(j *Journal, attempts map[string]int) {
		t.Helper()
		for name, n := range attempts {
			if got := j.Attempts(key(name)); got != n {
				t.Errorf("%s has %d attempts, want %d", name, got, n)
			}
		}
	}
	j := open(t, dir)
	begin(j, "killer", "neighbour", "paused", "failed", "twice", "twice")
	check(t, done(j, "done", "x"), j.Pause(key("paused")), j.Failed(key("failed")), j.Pause(key("twice")))
	want(j, map[string]int{"killer": 0})
	j.crash(t)

	j = open(t, dir)
	want(j, map[string]int{"killer": 1, "neighbour": 1, "paused": 0, "failed": 0, "done": 0, "twice": 1})
	check(t, done(j, "neighbour", "n"), done(j, "twice", "t"))
	begin(j, "killer")
	j.crash(t)

	j = open(t, dir)
	want(j, map[string]int{"killer": 2, "neighbour": 0, "twice": 0})
	begin(j, "killer", "other")
	check(t, j.Close(), j.Close()) // in order: nobody died

	j = open(t, dir)
	want(j, map[string]int{"killer": 2, "other": 0})
	check(t, j.Begin(key("killer")), j.Failed(key("killer")))
	want(j, map[string]int{"killer": 0})
	check(t, j.Close())
	j = open(t, dir)
	want(j, map[string]int{"killer": 0})
	check(t, j.Close())
	if err := j.Begin(key("late")); err == nil {
		t.Error("a closed journal is written to")
	}
}

func TestOnlyOneProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if _, err := Open(dir, DefaultOptions()); !errors.Is(err, ErrInUse) {
		t.Errorf("a second process: %v", err)
	}
	check(t, j.Close())
	check(t, open(t, dir).Close())
}

// The oldest results go, the newest stay, and suspects stay whatever happens.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	check(t, j.Begin(key("suspect")))
	j.crash(t)
	j = open(t, dir)
	output := strings.Repeat("x", 1000)
	for i := range 500 {
		check(t, done(j, string(rune('0'+i)), output))
	}
	size := int64(0)
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	check(t, err)
	for _, name := range names {
		info, err := os.Stat(name)
		check(t, err)
		size += info.Size()
	}
	if most := int64(1<<16 + 1<<16/segments + 2000); size > most {
		t.Errorf("%d bytes on disk, the bound is %d", size, most)
	}
	wantResult(t, j, string(rune('0'+499)), output)
	if _, ok, _ := j.Find(key("0")); ok {
		t.Error("the oldest result is still there")
	}
	j.crash(t)
	j = open(t, dir)
	wantResult(t, j, string(rune('0'+499)), output)
	if got := j.Attempts(key("suspect")); got != 1 {
		t.Errorf("the suspect has %d attempts", got)
	}
	for range 2 * maxFiles {
		j.crash(t)
		j = open(t, dir)
	}
	if names, _ = filepath.Glob(filepath.Join(dir, "*"+suffix)); len(names) > maxFiles {
		t.Errorf("%d files", len(names))
	}
	check(t, j.Close())
}

// Whatever bytes are torn off, or damaged, what stands before them is found.
func TestDamage(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		check(t, err)
		j := open(t, dir)
		check(t, done(j, "a", "alpha"))
		whole := j.files[0].size
		check(t, done(j, "b", "beta"))
		path := j.files[0].f.Name()
		j.crash(t)
		bytes, err := os.ReadFile(path)
		check(t, err)
		at := rapid.IntRange(int(whole), len(bytes)-1).Draw(r, "at")
		if rapid.Bool().Draw(r, "torn") {
			bytes = bytes[:at]
		} else {
			bytes[at] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		}
		check(t, os.WriteFile(path, bytes, 0o644))
		j = open(t, dir)
		defer j.Close()
		wantResult(t, j, "a", "alpha")
		if res, ok, _ := j.Find(key("b")); ok && string(res.Output) != "beta" {
			r.Fatalf("damage at %d gives %q", at, res.Output)
		}
	})
}

func TestForeignFiles(t *testing.T) {
	for name, content := range map[string]string{"00000001" + suffix: "something else", "notes" + suffix: magic} {
		dir := t.TempDir()
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
		if _, err := Open(dir, DefaultOptions()); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := Open(t.TempDir(), Options{MaxBytes: 1}); err == nil {
		t.Error("a journal of one byte")
	}
}

func TestKeyTellsApart(t *testing.T) {
	seen := map[Key]bool{}
	for _, k := range []Key{NewKey("a", false, []byte("b")), NewKey("a", true, []byte("b")), NewKey("ab", false, nil), NewKey("", false, []byte("ab")), NewKey("a", false, []byte("c"))} {
		if seen[k] {
			t.Error("two keys are equal")
		}
		seen[k] = true
	}
	if again := NewKey("a", true, []byte("b")); !seen[again] {
		t.Error("a key is not repeated")
	}
}

func FuzzReadEntries(f *testing.F) {
	dir := f.TempDir()
	j, err := Open(dir, DefaultOptions())
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(done(j, "a", "alpha"), j.Begin(key("b")), j.Close()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "00000001"+suffix))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte(magic))
	f.Add(binary.LittleEndian.AppendUint32([]byte(magic+"abcd"), 1<<31))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = readEntries(bytes.NewReader(data), int64(len(data)), func(kind byte, _ Key, offset int64, payload []byte) {
			if !bytes.Equal(data[offset:offset+int64(len(payload))], payload) {
				t.Errorf("the payload of %c is not at %d", kind, offset)
			}
		})
	})
}
