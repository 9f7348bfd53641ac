package builtin

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "plugin" && os.Args[2] == "serve" {
		if err := Serve(os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestListAscends(t *testing.T) {
	var names []string
	for _, p := range List() {
		names = append(names, p.Info.Name)
	}
	if !slices.IsSorted(names) || len(names) != len(slices.Compact(slices.Clone(names))) {
		t.Errorf("names %v do not ascend", names)
	}
}

// TestServe runs each shipped strategy the way the executable does: by a hidden
// command of its own.
func TestServe(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options := host.Options{
		Self:     host.Command{Path: host.SelfPath(executable), Args: []string{"plugin", "serve"}},
		Builtins: List(),
	}
	for _, plugin := range List() {
		name := plugin.Info.Name
		t.Run(name, func(t *testing.T) {
			p, err := host.Open(t.Context(), name, options)
			if err != nil {
				t.Fatal(err)
			}
			if id := p.Identity(); id.Name != name || id.Version != plugin.Info.Version || id.SHA256 != "" {
				t.Errorf("identity %+v", id)
			}
			if (p.Planner() != nil) == (p.Strategy() != nil) {
				t.Error("it is not exactly one of Planner and Strategy")
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			for _, rule := range sdktest.Rules()[:2] { // all of them are the business of the strategy's own test
				if err := rule.Check(t.Context(), sdktest.Hosted(name, options)); err != nil {
					t.Errorf("%s: %v", rule.Name, err)
				}
			}
		})
	}
}

func TestServeUnknown(t *testing.T) {
	err := Serve("confidense")
	if err == nil || !strings.Contains(err.Error(), `did you mean "confidence"?`) {
		t.Errorf("got %v", err)
	}
}

// TestRefusedParameters: what a strategy refuses is known without a process of it.
func TestRefusedParameters(t *testing.T) {
	for spec, want := range map[string]string{
		"confidence:threshold=0.9,factor=1":                 "strategy confidence: threshold=0.9 and factor=1 exclude each other",
		"blockwise:inner=confidance":                        `did you mean "confidence"?`,
		"blockwise:inner=confidence:threshold=0.9/factor=1": "exclude each other",
		"blockwise:inner=blockwise:inner=ar":                "unknown strategy",
		"blockwise:inner=groups:order=permutet":             "order",
		"speculative:draft=1":                               "2 to 64",
	} {
		_, err := host.Open(t.Context(), spec, host.Options{Builtins: List(), Self: host.Command{Path: "/nonexistent"}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "start plugin") {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}
