package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// builder writes the header of a file, right or wrong.
type builder struct {
	version       uint32
	tensors, keys uint64 // what the header says; what there is by default
	kv, infos     []byte
	count         [2]uint64
}

func newBuilder() *builder { return &builder{version: 3} }

func str(s string) []byte { return append(u64(uint64(len(s))), s...) }
func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// cat joins bytes.
func cat(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func (b *builder) key(key string, typ valueType, value ...[]byte) *builder {
	b.kv = cat(b.kv, str(key), u32(uint32(typ)), cat(value...))
	b.count[1]++
	return b
}

func (b *builder) tensor(name string, typ Type, offset uint64, dims ...uint64) *builder {
	b.infos = cat(b.infos, str(name), u32(uint32(len(dims))))
	for _, d := range dims {
		b.infos = append(b.infos, u64(d)...)
	}
	b.infos = cat(b.infos, u32(uint32(typ)), u64(offset))
	b.count[0]++
	return b
}

// file returns the file with data behind the padded header.
func (b *builder) file(data []byte) []byte {
	out := cat([]byte(magic), u32(b.version), u64(b.count[0]+b.tensors), u64(b.count[1]+b.keys), b.kv, b.infos)
	if data != nil {
		out = append(out, make([]byte, roundUp(int64(len(out)), defaultAlignment)-int64(len(out)))...)
	}
	return append(out, data...)
}

// hostileFiles are files that must be refused, with a part of the error.
func hostileFiles() []struct {
	name string
	file []byte
	want string
} {
	b := newBuilder
	array := func(typ valueType, n uint64) []byte { return cat(u32(uint32(typ)), u64(n)) }
	one := func(typ Type, offset uint64, dims ...uint64) *builder { return b().tensor("w", typ, offset, dims...) }
	data := make([]byte, 64)
	long := strings.Repeat("x", maxNameBytes+1)
	version := func(n uint32) []byte { v := b(); v.version = n; return v.file(nil) }
	counts := func(tensors, keys uint64) []byte { v := b(); v.tensors, v.keys = tensors, keys; return v.file(nil) }
	return []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "needs 4 bytes at 0, but the file has 0"},
		{"another format", []byte("PK\x03\x04PK\x03\x04"), "not a GGUF file"},
		{"cut in the version", []byte("GGUF\x03\x00"), "needs 4 bytes at 4"},
		{"version 1", version(1), "version 1 is not supported"},
		{"version 4", version(4), "version 4, this program reads 2 and 3"},
		{"big-endian", version(3 << 24), "big-endian"},
		{"cut in the counts", b().file(nil)[:20], "needs 8 bytes at 16"},

		{"many tensors", counts(maxTensors+1, 0), "65537 tensors, at most 65536"},
		{"all tensors", counts(math.MaxUint64, 0), "tensors, at most"},
		{"more tensors than bytes", counts(1000, 0), "1000 tensors: needs 32000 bytes at 16"},
		{"many keys", counts(0, maxKeys+1), "65537 keys, at most 65536"},
		{"more keys than bytes", counts(0, 2), "2 keys: needs 26 bytes"},
		{"a key less", cat(counts(0, 1), make([]byte, 13)), "key 1: the name \"\" is empty"},

		{"key of a gigabyte", cat(counts(0, 1), u64(1<<30), make([]byte, 32)), "key 1: a string of 1073741824 bytes, at most 65535"},
		{"key longer than the file", cat(counts(0, 1), u64(60), make([]byte, 32)), "key 1: needs 60 bytes"},
		{"long key", b().key(long, typeUint8, []byte{1}).file(nil), "at most 65535"},
		{"key no UTF-8", b().key("\xff", typeUint8, []byte{1}).file(nil), "UTF-8"},
		{"key twice", b().key("k", typeUint8, []byte{1}).key("k", typeInt8, []byte{1}).file(nil), `key "k" occurs twice`},
		{"unknown type", b().key("k", 13, make([]byte, 64)).file(nil), `key "k": type 13 is not known`},
		{"unknown type of elements", b().key("k", typeArray, array(99, 1), data).file(nil), `key "k": type 99 is not known`},
		{"array of arrays", b().key("k", typeArray, array(typeArray, 1), array(typeUint8, 1), []byte{1}).file(nil), "arrays of arrays"},
		{"huge array", b().key("k", typeArray, array(typeUint8, maxElements+1)).file(nil), "16777217 elements, at most 16777216"},
		{"endless array", b().key("k", typeArray, array(typeUint64, math.MaxUint64)).file(nil), "elements, at most"},
		{"array longer than the file", b().key("k", typeArray, array(typeInt32, 4), make([]byte, 15)).file(nil), `key "k": needs 16 bytes`},
		{"strings longer than the file", b().key("k", typeArray, array(typeString, 2), str("a"), u64(9), data[:8]).file(nil), `key "k": needs 9 bytes`},
		{"huge string", b().key("k", typeString, u64(1<<30), data).file(nil), `key "k": a string of 1073741824 bytes`},
		{"endless string", b().key("k", typeString, u64(math.MaxUint64), data).file(nil), `key "k": a string of 18446744073709551615 bytes`},
		{"string longer than the file", b().key("k", typeString, u64(65), data).file(nil), `key "k": needs 65 bytes`},
		{"cut value", b().key("k", typeUint64, data[:7]).file(nil), `key "k": needs 8 bytes`},

		{"alignment no integer", b().key(alignmentKey, typeString, str("32")).file(nil), "want an integer, the file has a string"},
		{"alignment 0", b().key(alignmentKey, typeUint32, u32(0)).file(nil), "want a power of two"},
		{"alignment 24", b().key(alignmentKey, typeUint32, u32(24)).file(nil), "24, want a power of two"},
		{"alignment of a gigabyte", b().key(alignmentKey, typeUint32, u32(1<<30)).file(nil), "want a power of two"},

		{"name of a gigabyte", cat(counts(1, 0), u64(1<<30), data), "tensor 1: a string of 1073741824 bytes"},
		{"tensor twice", one(F32, 0, 8).tensor("w", F32, 32, 8).file(data), `tensor "w" occurs twice`},
		{"no dimension", cat(one(F32, 0).file(nil), data), `tensor "w": 0 dimensions`},
		{"five dimensions", one(F32, 0, 1, 1, 1, 1, 1).file(data), `tensor "w": 5 dimensions`},
		{"2^32-1 dimensions", cat(counts(1, 0), str("w"), u32(math.MaxUint32), data), `tensor "w": 4294967295 dimensions`},
		{"dimension 0", one(F32, 0, 0).file(data), "dimension 0 is 0"},
		{"huge dimension", one(F32, 0, 1<<31).file(data), "dimension 0 is 2147483648: absurd"},
		{"product overflows", one(F32, 0, 1<<20, 1<<20, 1<<30).file(data), "dimension 2 is 1073741824: absurd"},
		{"product wraps", one(F32, 0, 1<<16, 1<<16, 1<<16, 1<<16).file(data), "dimension 3 is 65536: absurd"},
		{"type not read", one(16, 0, 256).file(data), `tensor "w": IQ2_XXS is not supported`},
		{"unknown type of tensor", one(77, 0, 256).file(data), `tensor "w": type 77 is not supported`},
		{"half a block", one(Q4_0, 0, 48).file(data), `tensor "w": rows of 48 elements are no multiple of the blocks of 32 of Q4_0`},
		{"rows of half a block", one(Q4K, 0, 128, 2).file(data), "rows of 128 elements"},
		{"offset beyond the file", one(F32, 1<<40, 8).file(data), "begins at byte 1099511627776"},
		{"offset wraps", one(F32, math.MaxUint64-31, 8).file(data), "begins at byte 18446744073709551584"},
		{"misaligned", one(F32, 4, 8).file(data), `tensor "w": begins at byte 4 of the data, not at a multiple of 32`},
		{"overlap", one(F32, 0, 16).tensor("v", F32, 32, 8).file(data), `tensor "v": begins at byte 32 of the data, but the tensor before ends at 64: they overlap`},
		{"same place", one(F32, 0, 8).tensor("v", F32, 0, 8).file(data), "they overlap"},
		{"hole", one(F32, 0, 1).tensor("v", F32, 64, 1).file(make([]byte, 96)), `tensor "v": begins at byte 64 of the data, but the tensor before ends at 4: there is a hole`},
		{"hole at the start", one(F32, 32, 8).file(data), "there is a hole"},
		{"cut", one(F32, 0, 17).file(data), `tensor "w": needs 68 bytes at byte 0 of the data, which has 64: the file is cut`},
		{"no data", one(F32, 0, 1).file(nil), "there is no data"},
		{"bytes after", one(F32, 0, 4).file(data), "48 bytes follow the last tensor"},
	}
}

func TestHostile(t *testing.T) {
	for _, c := range hostileFiles() {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// A file cut anywhere is refused or, behind the header of a file without tensors, read.
func TestCut(t *testing.T) {
	file := newBuilder().key("k", typeString, str("value")).key("a", typeArray, u32(uint32(typeString)), u64(2), str("x"), str("y")).
		tensor("w", F32, 0, 4, 4).file(make([]byte, 64))
	if _, err := Parse(file); err != nil {
		t.Fatal(err)
	}
	for n := range file {
		if _, err := Parse(file[:n]); err == nil {
			t.Errorf("a file cut to %d of %d bytes is accepted", n, len(file))
		}
	}
}

// Tensors may lie in any order, and the last may be padded.
func TestPlaces(t *testing.T) {
	data := make([]byte, 96)
	for i := range data {
		data[i] = byte(i)
	}
	f, err := Parse(newBuilder().tensor("b", F32, 64, 1).tensor("a", F32, 0, 9).file(data))
	if err != nil {
		t.Fatal(err)
	}
	want := math.Float32frombits(binary.LittleEndian.Uint32(data[64:]))
	if got := values(t, f, "b"); got[0] != want {
		t.Errorf("b is %v, want %v", got[0], want)
	}
	if got := fmt.Sprint(f.Names()); got != "[b a]" {
		t.Errorf("names %s, want those of the header in its order", got)
	}
}

// The alignment is the file's own.
func TestAlignment(t *testing.T) {
	head := newBuilder().key(alignmentKey, typeUint32, u32(8)).tensor("b", F32, 8, 1).tensor("a", F32, 0, 1).file(nil)
	head = append(head, make([]byte, roundUp(int64(len(head)), 8)-int64(len(head)))...)
	f, err := Parse(cat(head, u32(math.Float32bits(1)), u32(0), u32(math.Float32bits(2))))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := values(t, f, "a"), values(t, f, "b"); a[0] != 1 || b[0] != 2 {
		t.Errorf("a is %v, b is %v", a, b)
	}
}

// FuzzParse: whatever the bytes, they are refused or everything that the file claims to
// hold can be read.
func FuzzParse(f *testing.F) {
	for _, c := range hostileFiles() {
		f.Add(c.file)
	}
	f.Add(newBuilder().key("k", typeArray, u32(uint32(typeString)), u64(2), str("x"), str("y")).
		key("n", typeArray, u32(uint32(typeInt16)), u64(2), []byte{1, 2, 3, 4}).tensor("w", Q4_0, 0, 32, 2).file(make([]byte, 36)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		var total int64
		for _, name := range file.Names() {
			info, err := file.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			total += info.Bytes
			if err := file.Float32At(name, info.Len()/2, make([]float32, info.Len()-info.Len()/2)); err != nil {
				t.Fatalf("tensor %q: %v", name, err)
			}
		}
		if total > int64(len(data)) {
			t.Fatalf("tensors of %d bytes in a file of %d", total, len(data))
		}
		m := file.Metadata()
		for _, key := range m.Keys() { // a getter may refuse the type; it must not panic
			m.String(key)
			m.Bool(key)
			m.Int(key)
			m.Float(key)
			m.Strings(key)
			m.Float32s(key)
			m.Int32s(key)
			m.Len(key)
		}
	})
}
