package kafka

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// slot is a place among the workers of one group on this machine, held by the lock of a
// file. Host name and slot name a worker for good: when it is killed and started again
// it takes the same slot, and so gets the same partitions back without a rebalance. Two
// workers on one machine have two slots, and do not fence each other.
type slot struct {
	file *os.File
	name string // of the worker
}

// maxSlots bounds the search; nobody runs so many workers on a machine.
const maxSlots = 1024

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)

// claimSlot takes the first slot of the group that is free. dir must be the same for all
// workers of the machine; "" is a folder among the temporary files, whose locks do not
// outlive their processes.
func claimSlot(dir, group string) (*slot, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the host's name: %w", err)
	}
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "a3-slots")
	}
	// Several users of a machine may share the folder.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	_ = os.Chmod(dir, 0o1777) // only its owner may; it has done so already
	for n := range maxSlots {
		path := filepath.Join(dir, notInNames.ReplaceAllString(group, "_")+"."+strconv.Itoa(n)+".lock")
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if errors.Is(err, os.ErrPermission) {
			f, err = os.Open(path) // of another user; a lock takes no right to write
		}
		if err != nil {
			return nil, err
		}
		err = lock(f)
		if err == nil {
			return &slot{file: f, name: notInNames.ReplaceAllString(host, "_") + "-" + strconv.Itoa(n)}, nil
		}
		f.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
	return nil, fmt.Errorf("all %d slots of group %s in %s are taken", maxSlots, group, dir)
}

// release gives the slot up. The file stays: removing it could take the lock of one who
// has just opened it.
func (s *slot) release() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}

var errLocked = errors.New("another process holds the lock")
