package builtin

import (
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	var names []string
	for _, p := range List() {
		names = append(names, p.Info.Name)
		instance, err := p.Open(nil)
		if err != nil {
			t.Errorf("%s with its defaults: %v", p.Info.Name, err)
			continue
		}
		if instance.Spec().Name != p.Info.Name {
			t.Errorf("%s calls itself %s", p.Info.Name, instance.Spec().Name)
		}
	}
	if !slices.IsSorted(names) || len(names) != len(slices.Compact(slices.Clone(names))) {
		t.Errorf("names %v do not ascend", names)
	}
}

func TestServeUnknown(t *testing.T) {
	err := Serve("confidense")
	if err == nil || !strings.Contains(err.Error(), `did you mean "confidence"?`) {
		t.Errorf("got %v", err)
	}
}
