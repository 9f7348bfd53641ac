package file

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Format says what one record is.
type Format int

const (
	// FormatAuto takes a file whose name ends in .txt (before .gz or .zst) as
	// FormatText and everything else, stdin too, as FormatJSONL.
	FormatAuto Format = iota
	// FormatJSONL: each line is a record.
	FormatJSONL
	// FormatText: the whole file is one document. Its bytes are not touched.
	FormatText
	// FormatTextLines: each line is one document.
	FormatTextLines
)

var formatNames = [...]string{FormatAuto: "auto", FormatJSONL: "jsonl", FormatText: "text", FormatTextLines: "text-lines"}

// String returns the name that ParseFormat takes.
func (f Format) String() string {
	if f < 0 || int(f) >= len(formatNames) {
		return fmt.Sprintf("Format(%d)", int(f))
	}
	return formatNames[f]
}

// ParseFormat reads "auto", "jsonl", "text" or "text-lines".
func ParseFormat(name string) (Format, error) {
	for f, n := range formatNames {
		if n == name {
			return Format(f), nil
		}
	}
	return 0, fmt.Errorf("unknown input format %q: use one of %s", name, strings.Join(formatNames[:], ", "))
}

// of decides FormatAuto by the file's name.
func (f Format) of(path string) Format {
	if f != FormatAuto {
		return f
	}
	base := strings.ToLower(path)
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
	if filepath.Ext(base) == ".txt" {
		return FormatText
	}
	return FormatJSONL
}

// DefaultMaxRecordBytes is the default limit of a line or a document.
const DefaultMaxRecordBytes = 16 << 20

// SourceOptions say what to read.
type SourceOptions struct {
	// Paths are read in this order: files, globs (with ** for any depth; matches in
	// lexical order), and "-" for Stdin.
	Paths  []string
	Format Format
	// MaxRecordBytes limits a record after decompression. A longer one is delivered
	// cut, with Delivery.Err set, and reading goes on behind it.
	MaxRecordBytes int
	// Exclude are files that no glob may match, such as the job's own output. A path
	// that names one of them outright is an error.
	Exclude []string
	// Stdin is what "-" reads; needed only then. An *os.File or an io.Closer can be
	// interrupted by Close.
	Stdin io.Reader
}

// DefaultSourceOptions returns the defaults; Paths is left to fill.
func DefaultSourceOptions() SourceOptions {
	return SourceOptions{Format: FormatAuto, MaxRecordBytes: DefaultMaxRecordBytes}
}

// Validate checks the options alone, without touching any file.
func (o SourceOptions) Validate() error {
	switch {
	case len(o.Paths) == 0:
		return errors.New("no input paths: name a file, a glob, or - for standard input")
	case o.Format < 0 || int(o.Format) >= len(formatNames):
		return fmt.Errorf("unknown input format %v", o.Format)
	case o.MaxRecordBytes < 1 || o.MaxRecordBytes > 1<<30:
		return fmt.Errorf("limit of a record is %d bytes: must be between 1 and 1 GiB", o.MaxRecordBytes)
	}
	for _, p := range o.Paths {
		switch {
		case p == "":
			return errors.New("an input path is empty")
		case p == stdio && o.Stdin == nil:
			return errors.New("input - needs a standard input")
		case !utf8.ValidString(p):
			return fmt.Errorf("input path %q is not UTF-8: rename the file", p)
		}
	}
	return nil
}

// stdio is the path that stands for standard input and standard output.
const stdio = "-"

// Compression is how bytes are packed.
type Compression int

// CompressionAuto goes by the extension: .gz, .zst, else none.
const (
	CompressionAuto Compression = iota
	CompressionNone
	CompressionGzip
	CompressionZstd
)

var compressionNames = [...]string{CompressionAuto: "auto", CompressionNone: "none", CompressionGzip: "gzip", CompressionZstd: "zstd"}

// String returns "auto", "none", "gzip" or "zstd".
func (c Compression) String() string {
	if c < 0 || int(c) >= len(compressionNames) {
		return fmt.Sprintf("Compression(%d)", int(c))
	}
	return compressionNames[c]
}

// Sync says when output reaches the disk.
type Sync int

const (
	// SyncEachWrite flushes output and ledger to the disk before Write returns: what
	// was acknowledged survives a power cut.
	SyncEachWrite Sync = iota
	// SyncOnClose leaves it to the operating system until Close: what was
	// acknowledged survives the end of the process, not of the machine.
	SyncOnClose
)

// SinkOptions say where to write.
type SinkOptions struct {
	Path string // a file, or "-" for Stdout
	// Run is the identity of the run: whatever must be equal for the output of two
	// runs to be mixed in one file (model, strategy, parameters, seed). Opaque.
	Run string
	// Overwrite starts over: what the output and its ledger hold is removed.
	Overwrite   bool
	Compression Compression
	Sync        Sync
	Stdout      io.Writer // what "-" writes; needed only then
}

// DefaultSinkOptions returns the defaults; Path and Run are left to fill.
func DefaultSinkOptions() SinkOptions {
	return SinkOptions{Compression: CompressionAuto, Sync: SyncEachWrite}
}

// Validate checks the options alone, without touching any file.
func (o SinkOptions) Validate() error {
	switch {
	case o.Path == "":
		return errors.New("no output path: name a file, or - for standard output")
	case o.Path == stdio && o.Stdout == nil:
		return errors.New("output - needs a standard output")
	case o.Compression < 0 || int(o.Compression) >= len(compressionNames):
		return fmt.Errorf("unknown compression %v", o.Compression)
	case o.Sync != SyncEachWrite && o.Sync != SyncOnClose:
		return fmt.Errorf("unknown sync policy %d", o.Sync)
	case strings.HasSuffix(o.Path, LedgerSuffix):
		return fmt.Errorf("output %s has the name of a ledger: choose another", o.Path)
	case !utf8.ValidString(o.Run):
		return errors.New("the identity of the run is not UTF-8")
	}
	return nil
}

// compression decides CompressionAuto by the file's name.
func (o SinkOptions) compression() Compression {
	if o.Compression != CompressionAuto {
		return o.Compression
	}
	switch strings.ToLower(filepath.Ext(o.Path)) {
	case ".gz":
		return CompressionGzip
	case ".zst":
		return CompressionZstd
	}
	return CompressionNone
}
