package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestLastGoodStateSurvives makes every operation of a save and of the removal that
// follows fail, in every mode, and then starts again: the state found is the one saved
// last or, if the save was not confirmed, the one before; it is whole, and training
// goes on from it.
func TestLastGoodStateSurvives(t *testing.T) {
	for _, mode := range faultModes {
		for n := 1; ; n++ {
			dir := t.TempDir()
			s := quickStore(t, dir)
			save(t, s, 1, 2)
			s.Close()

			d := newFaultDisk(t, mode, n)
			confirmed, hit := int64(2), false
			s, err := openStore(dir, d)
			if err == nil {
				var saved string
				if saved, err = s.Save(context.Background(), stateAt(t, 3)); saved != "" {
					confirmed = 3
				}
				if err == nil {
					_, err = s.Prune(Retention{Last: 2})
				}
				hit = d.hit
				s.Close()
			} else {
				hit = true
			}
			if hit && !errors.Is(err, errInjected) {
				t.Errorf("%s at operation %d is not reported: %v", mode, n, err)
			}
			d.powerLoss(t)
			checkRestart(t, fmt.Sprintf("%s at operation %d", mode, n), dir, confirmed)
			if !hit {
				if n < 10 {
					t.Errorf("%s: only %d operations were tried", mode, n-1)
				}
				break
			}
		}
	}
}

// checkRestart opens a store after a fault and goes on to step 4.
func checkRestart(t *testing.T, when, dir string, confirmed int64) {
	t.Helper()
	s, err := openStore(dir, newFaultDisk(t, failOnce, 0))
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer s.Close()
	c, torn, err := s.Resume(context.Background())
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer c.Close()
	if len(torn) > 0 {
		t.Errorf("%s: torn checkpoints %v", when, torn)
	}
	if c.Manifest.Step < confirmed || c.Manifest.Step > 3 {
		t.Errorf("%s: resumed step %d, but %d was confirmed", when, c.Manifest.Step, confirmed)
	}
	checkState(t, c)
	for _, step := range []int64{3, 4} { // a save that was not confirmed is made again
		if step < c.Manifest.Step {
			continue
		}
		if _, err := s.Save(context.Background(), stateAt(t, step)); err != nil {
			t.Errorf("%s: next save: %v", when, err)
		}
	}
	steps, err := listSteps(dir)
	if err != nil || !slices.Contains(steps, 4) {
		t.Errorf("%s: steps are %v, %v", when, steps, err)
	}
	for _, step := range steps { // none is half removed
		c, err := Load(context.Background(), s.path(stepName(step)))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		checkState(t, c)
		c.Close()
	}
	for _, name := range listDir(t, dir) {
		if _, ok := parseStepName(name); !ok && name != lockName {
			t.Errorf("%s: %s is left", when, name)
		}
	}
}

// One failed save does not disturb the run: the same store saves again.
func TestSaveAfterFailure(t *testing.T) {
	for _, mode := range []faultMode{failOnce, diskFull} {
		for n := 1; ; n++ {
			d := newFaultDisk(t, mode, 0)
			s, err := openStore(t.TempDir(), d)
			if err != nil {
				t.Fatal(err)
			}
			save(t, s, 1)
			d.at = d.count + n
			_, err = s.Save(context.Background(), stateAt(t, 2))
			hit := d.hit
			d.at = 0 // there is room again
			if hit && !errors.Is(err, errInjected) {
				t.Errorf("%s at operation %d is not reported: %v", mode, n, err)
			}
			if _, err := s.Save(context.Background(), stateAt(t, 2)); err != nil {
				t.Errorf("%s at operation %d: saving again: %v", mode, n, err)
			}
			d.mode = powerDrop // the save that succeeded must also have made the name durable
			d.powerLoss(t)
			c, torn, err := s.Resume(context.Background())
			if err != nil || len(torn) > 0 || c.Manifest.Step != 2 {
				t.Fatalf("%s at operation %d: %v, torn %v", mode, n, err, torn)
			}
			checkState(t, c)
			c.Close()
			s.Close()
			if !hit {
				break
			}
		}
	}
}

// The harness is able to find what it looks for: on a disk that does not sync, a power
// loss damages the checkpoint, and Load tells.
func TestPowerLossWithoutSyncIsNoticed(t *testing.T) {
	for _, mode := range []faultMode{powerKeep, powerDrop} {
		d := newFaultDisk(t, mode, 0)
		s, err := openStore(t.TempDir(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		save(t, s, 1)
		d.noSync = true
		save(t, s, 2)
		d.powerLoss(t)
		c, torn, err := Latest(context.Background(), s.dir)
		if err != nil || c.Manifest.Step != 1 {
			t.Fatalf("%s: %v", mode, err)
		}
		checkState(t, c)
		c.Close()
		_, statErr := os.Stat(s.path("step-00000002"))
		if (len(torn) == 1) != (statErr == nil) {
			t.Errorf("%s: torn %v, but the directory is there: %v", mode, torn, statErr == nil)
		}
	}
}
