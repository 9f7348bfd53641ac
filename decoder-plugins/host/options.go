package host

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Options say how strategies are run. The zero value of each field is its default.
type Options struct {
	// Self runs a built-in strategy as a process: the command that re-runs this
	// executable; the strategy's name is appended to its arguments. See SelfPath.
	Self Command
	// InProcess runs built-in strategies in this process instead, for tests and
	// embedding: a crash is then a recovered panic, and a hang cannot be killed.
	InProcess bool
	// Builtins are the strategies known by name, such as builtin.List().
	Builtins []sdk.Plugin

	// Directory holds executables that are known by their file names, behind the built-in
	// ones; "" = none. Whoever can write there decides what runs.
	Directory string
	// AutoMTLS encrypts the connection with certificates that both sides make at each
	// start. The socket lies in a folder that only this user can enter, so this guards
	// against processes of the same user alone, and costs some 20 ms a start.
	AutoMTLS bool

	// Vocabulary returns what tokens mean, by id, for strategies that read (see
	// strategy.Reader); nil = there is none, and they are refused.
	Vocabulary func() [][]byte

	Vocab  int32  // number of token ids, to check tokens that a strategy chooses; 0 = not checked
	SHA256 string // hexadecimal digest that an external executable must have; "" = any

	// Environ is the environment of the host, as from os.Environ. Plugins see those
	// variables of it that AllowEnv names (nil = DefaultAllowEnv), and no others:
	// secrets of the host stay in the host.
	Environ  []string
	AllowEnv []string

	// TempDir is where the folder of sockets is made; "" = the system's. Paths of
	// sockets are short: keep it under 40 bytes.
	TempDir string

	StartTimeout time.Duration // from exec to the first session; default 10 s
	CallTimeout  time.Duration // for one call; default 10 s
	StopTimeout  time.Duration // for an orderly end, before the process is killed; default 2 s

	// Between failures in a row the host waits Backoff, then twice that, up to
	// MaxBackoff (defaults 10 ms and 1 s). After MaxFailures in which not one
	// document was served it gives up (default 16: a batch of 8192 can be halved
	// down to the document that crashes the plugin).
	Backoff     time.Duration
	MaxBackoff  time.Duration
	MaxFailures int

	Logger *slog.Logger // what plugins write, failures and restarts; nil = nowhere
	// OnRestart is called for each restart after a failure, for metrics, in the middle
	// of a call: it must not call the plugin.
	OnRestart func(strategy string, cause error)
}

// Command is an executable and its arguments.
type Command struct {
	Path string
	Args []string
}

// SelfPath returns a path of the running executable that stays right when the file
// is replaced during the run, where the system has one. executable is what
// os.Executable returned.
func SelfPath(executable string) string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe" // resolved in the child, which is this program until it executes
	}
	return executable
}

// DefaultAllowEnv returns the names of the variables that plugins see unless told
// otherwise: what programs need to find their parts and their language, and what the race
// detector of one that is tested with it should do.
func DefaultAllowEnv() []string {
	return []string{
		"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
		"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT",
		"GORACE",
	}
}

// withDefaults returns the options with all defaults filled in.
func (o Options) withDefaults() (Options, error) {
	if o.AllowEnv == nil {
		o.AllowEnv = DefaultAllowEnv()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnRestart == nil {
		o.OnRestart = func(string, error) {}
	}
	if o.MaxFailures == 0 {
		o.MaxFailures = 16
	}
	for _, d := range []struct {
		field *time.Duration
		name  string
		value time.Duration
	}{
		{&o.StartTimeout, "StartTimeout", 10 * time.Second},
		{&o.CallTimeout, "CallTimeout", 10 * time.Second},
		{&o.StopTimeout, "StopTimeout", 2 * time.Second},
		{&o.Backoff, "Backoff", 10 * time.Millisecond},
		{&o.MaxBackoff, "MaxBackoff", time.Second},
	} {
		if *d.field < 0 {
			return o, fmt.Errorf("plugin host: %s is %v, must not be negative", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Vocab < 0 || o.MaxFailures < 0 {
		return o, fmt.Errorf("plugin host: Vocab %d and MaxFailures %d must not be negative", o.Vocab, o.MaxFailures)
	}
	return o, nil
}
