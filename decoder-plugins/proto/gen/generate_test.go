package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratedCodeIsCurrent fails when a .proto file was changed and not compiled.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	const dir = "../v1"
	want, err := generate(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range want {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(have, content) {
			t.Errorf("%s is not what its source compiles to; run go generate ./decoder-plugins/proto/...", name)
		}
	}
	goFiles, err := filepath.Glob(filepath.Join(dir, "*.pb.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range goFiles {
		if _, ok := want[filepath.Base(f)]; !ok {
			t.Errorf("%s has no source any more", f)
		}
	}
}

func TestGenerateReportsErrors(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"syntax", "syntax = \"proto3\";\nmessage {", "bad.proto:2:9"},
		{"import", `syntax = "proto3"; import "google/protobuf/empty.proto";`, "imports are not resolved"},
		{"no package", `syntax = "proto3"; message M {}`, "protoc-gen-go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "bad.proto"), []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := generate(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := generate(t.Context(), t.TempDir()); err == nil {
		t.Error("an empty folder is accepted")
	}
}
