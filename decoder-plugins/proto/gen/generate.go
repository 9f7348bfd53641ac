package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// generators are the tools of the module, in go.mod, that turn descriptors into Go.
var generators = [...]string{"protoc-gen-go", "protoc-gen-go-grpc"}

// generate compiles all .proto files of a folder and returns the generated files,
// by name relative to the folder.
func generate(ctx context.Context, dir string) (map[string][]byte, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.proto"))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("folder %s has no .proto file", dir)
	}
	for i, s := range sources {
		sources[i] = filepath.Base(s)
	}
	request, err := compile(ctx, dir, sources)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, g := range generators {
		response, err := callGenerator(ctx, g, request)
		if err != nil {
			return nil, err
		}
		for _, f := range response.File {
			files[f.GetName()] = []byte(f.GetContent())
		}
	}
	return files, nil
}

// compile parses the sources and returns the request that protoc would send to a
// code generator.
func compile(ctx context.Context, dir string, sources []string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}}),
		// The comments of the .proto become the documentation of the Go code.
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(ctx, sources...)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", dir, err)
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: slices.Clone(sources),
		Parameter:      proto.String("paths=source_relative"),
	}
	for _, f := range compiled {
		d := protoutil.ProtoFromFileDescriptor(f)
		if len(d.Dependency) > 0 {
			return nil, fmt.Errorf("%s imports %v; imports are not resolved here", f.Path(), d.Dependency)
		}
		request.ProtoFile = append(request.ProtoFile, d)
	}
	return request, nil
}

// callGenerator runs a code generator as protoc does: request in, response out.
func callGenerator(ctx context.Context, name string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "tool", name)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run go tool %s: %w: %s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", name, err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s: %s", name, response.GetError())
	}
	return response, nil
}
