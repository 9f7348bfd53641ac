package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faultMode is a way in which a disk fails at its n-th operation.
type faultMode string

const (
	failOnce  faultMode = "one operation fails"        // later ones work
	diskFull  faultMode = "the disk is full"           // writes and creations fail from there on
	powerKeep faultMode = "power loss, names kept"     // nothing works any more; unsynced data is lost
	powerDrop faultMode = "power loss, names reverted" // and so are unsynced names
)

var faultModes = []faultMode{failOnce, diskFull, powerKeep, powerDrop}

var errInjected = errors.New("injected fault")

// faultDisk is the real disk with a fault, and with a memory of what was not synced:
// a sync only takes note, which keeps the tests fast.
type faultDisk struct {
	mode faultMode
	at   int  // operation that fails, counted from 1
	hit  bool // whether it was reached

	noSync bool // a disk that lies: it loses everything in a power loss

	count   int
	unsaved map[string]bool // files whose content is not synced
	names   []nameChange    // changes of names that are not synced, in order
	attic   string          // keeps files that a renaming replaced
}

// nameChange is a creation (from == "") or a renaming, which may have replaced a file.
type nameChange struct{ from, to, replaced string }

func newFaultDisk(t *testing.T, mode faultMode, at int) *faultDisk {
	return &faultDisk{mode: mode, at: at, unsaved: make(map[string]bool), attic: t.TempDir()}
}

// step counts an operation and says whether it fails.
func (d *faultDisk) step(needsSpace bool) error {
	d.count++
	if d.count < d.at || d.at == 0 {
		return nil
	}
	switch d.mode {
	case failOnce:
		if d.count != d.at {
			return nil
		}
	case diskFull:
		if !needsSpace {
			return nil
		}
	}
	d.hit = true
	return fmt.Errorf("%w at operation %d", errInjected, d.count)
}

func (d *faultDisk) Mkdir(dir string) error {
	if err := d.step(true); err != nil {
		return err
	}
	d.names = append(d.names, nameChange{to: dir})
	return osDisk{}.Mkdir(dir)
}

func (d *faultDisk) Create(name string) (diskFile, error) {
	if err := d.step(true); err != nil {
		return nil, err
	}
	f, err := osDisk{}.Create(name)
	if err != nil {
		return nil, err
	}
	d.names = append(d.names, nameChange{to: name})
	d.unsaved[name] = true
	return &faultFile{d, f, name}, nil
}

func (d *faultDisk) Rename(from, to string) error {
	if err := d.step(false); err != nil {
		return err
	}
	change := nameChange{from: from, to: to}
	if st, err := os.Stat(to); err == nil && st.Mode().IsRegular() {
		change.replaced = filepath.Join(d.attic, fmt.Sprint(d.count))
		if err := os.Link(to, change.replaced); err != nil {
			return err
		}
	}
	if err := (osDisk{}).Rename(from, to); err != nil {
		return err
	}
	for name := range d.unsaved { // what is inside moves along
		if rest, ok := strings.CutPrefix(name, from); ok {
			delete(d.unsaved, name)
			d.unsaved[to+rest] = true
		}
	}
	for i, c := range d.names {
		if rest, ok := strings.CutPrefix(c.to, from+string(filepath.Separator)); ok {
			d.names[i].to = filepath.Join(to, rest)
		}
	}
	d.names = append(d.names, change)
	return nil
}

func (d *faultDisk) SyncDir(dir string) error {
	if err := d.step(false); err != nil {
		return err
	}
	if d.noSync {
		return nil
	}
	var rest []nameChange
	for _, c := range d.names {
		if filepath.Dir(c.to) != filepath.Clean(dir) {
			rest = append(rest, c)
		}
	}
	d.names = rest
	_, err := os.Stat(dir)
	return err
}

// RemoveAll removes one file of a directory when it fails.
func (d *faultDisk) RemoveAll(name string) error {
	if err := d.step(false); err != nil {
		if entries, _ := os.ReadDir(name); len(entries) > 0 {
			os.Remove(filepath.Join(name, entries[0].Name()))
		}
		return err
	}
	return osDisk{}.RemoveAll(name)
}

// powerLoss turns the disk into what could be found after the power went off: files
// that were not synced are cut, names that were not synced are as before.
func (d *faultDisk) powerLoss(t *testing.T) {
	t.Helper()
	if d.mode != powerKeep && d.mode != powerDrop {
		return
	}
	for name := range d.unsaved {
		if st, err := os.Stat(name); err == nil {
			if err := os.Truncate(name, st.Size()/2); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d.mode == powerKeep {
		return
	}
	for i := len(d.names) - 1; i >= 0; i-- {
		c := d.names[i]
		if c.from == "" {
			if err := os.RemoveAll(c.to); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := os.Lstat(c.to); err == nil {
			if err := os.Rename(c.to, c.from); err != nil {
				t.Fatal(err)
			}
		}
		if c.replaced != "" {
			if err := os.Rename(c.replaced, c.to); err != nil {
				t.Fatal(err)
			}
		}
	}
}

type faultFile struct {
	d    *faultDisk
	f    diskFile
	name string
}

// Write stores half of the bytes when it fails, as a full disk may.
func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.d.step(true); err != nil {
		n, _ := f.f.Write(p[:len(p)/2])
		return n, err
	}
	f.d.unsaved[f.name] = true
	return f.f.Write(p)
}

func (f *faultFile) Sync() error {
	if err := f.d.step(true); err != nil { // delayed allocation may find no room
		return err
	}
	if !f.d.noSync {
		delete(f.d.unsaved, f.name)
	}
	return nil
}

// Close may fail too, but the descriptor is gone in any case.
func (f *faultFile) Close() error {
	return errors.Join(f.d.step(false), f.f.Close())
}
