package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"reflect"
	"testing"
)

// FuzzSafetensors: whatever the bytes, Parse accepts or refuses them; of what it
// accepts every tensor can be read, and is read the same after it was written.
func FuzzSafetensors(f *testing.F) {
	for _, c := range hostileFiles() {
		f.Add(c.file)
	}
	golden, err := os.ReadFile(goldenV1 + "/tensors.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		total := 0
		for _, name := range file.Names() {
			b, err := file.Bytes(name)
			if err != nil {
				t.Fatalf("tensor %q: %v", name, err)
			}
			info, err := file.Info(name)
			if err != nil || info.Len()*info.DType.Size() != len(b) {
				t.Fatalf("tensor %q: %v, %v, but %d bytes", name, info, err, len(b))
			}
			total += len(b)
			// A conversion may refuse the type or a value; it must not panic.
			file.Float32(name, make([]float32, info.Len()))
			file.Float64(name, make([]float64, info.Len()))
			file.Int64(name, make([]int64, info.Len()))
		}
		if total > len(text) {
			t.Fatalf("tensors of %d bytes in a file of %d", total, len(text))
		}
		rewriteAny(t, file)
	})
}

// rewriteAny is rewrite for values that need not survive conversion: a signalling NaN
// of BF16 comes back quiet.
func rewriteAny(t *testing.T, f *File) {
	t.Helper()
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		if info.DType != BF16 {
			continue
		}
		values := make([]float32, info.Len())
		if err := f.Float32(name, values); err != nil {
			t.Fatal(err)
		}
		if checkFinite(values, 0) != nil {
			return
		}
	}
	rewrite(t, f)
}

// FuzzIndex: an accepted index names only plain files.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../m.safetensors"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		placed, err := parseIndex(text)
		if err != nil {
			return
		}
		for name := range placed {
			if err := checkShardName(name); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzConfig: an accepted configuration is valid and is read back as it was written.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(smallConfig))
	golden, err := os.ReadFile(goldenV1 + "/run/step-00000003/config.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"vocab_size":61,"hidden_size":32,"intermediate_size":80,"num_hidden_layers":2,"num_attention_heads":4,` +
		`"rope_parameters":{"rope_type":"llama3","rope_theta":500000.0,"factor":8,"low_freq_factor":1,"high_freq_factor":4,` +
		`"original_max_position_embeddings":64},"eos_token_id":[2,3],"a3":{"residual":"official"},"x":{"y":[null]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		once, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig(once)
		if err != nil {
			t.Fatalf("%v in\n%s", err, once)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written as\n%s\nand then as\n%s (%v)", once, twice, err)
		}
	})
}

// FuzzManifest: with a digest that is right, whatever else the text says, a manifest is
// refused or read back as it was written.
func FuzzManifest(f *testing.F) {
	golden, err := os.ReadFile(goldenV1 + "/run/step-00000003/manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden[:len(golden)-digestSize])
	f.Add([]byte("{\n"))
	f.Add([]byte(`{"format":"a3-checkpoint","version":1,` + "\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if m, err := parseManifest(head); err == nil { // hardly ever: it carries its own digest
			t.Logf("digest %s", m.Digest)
		}
		m, err := parseManifest(fmt.Appendf(nil, "%s%s%x%s", head, digestHead, sha256.Sum256(head), digestTail))
		if err != nil {
			return
		}
		text, err := m.encode()
		if err != nil {
			if len(head) > maxManifestBytes/4 { // indentation may make it too large
				return
			}
			t.Fatal(err)
		}
		again, err := parseManifest(text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v was read back as %+v", m, again)
		}
	})
}
