package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	for _, c := range []struct{ name, events, out, skips string }{
		{
			name: "a passing package is one line",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"-test.shuffle 17\n"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			out: "ok  \tp\t0.1s\n",
		}, {
			name: "a failed test is told in full",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: want 1\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			out: "    a_test.go:1: want 1\n--- FAIL: TestA (0.00s)\nFAIL\tp\t0.1s\n",
		}, {
			name: "a test that ends its process is told too",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: lost\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			out: "panic: lost\nFAIL\tp\t0.1s\n",
		}, {
			name: "a failed package tells its seed",
			events: `{"Action":"output","Package":"p","Output":"-test.shuffle 17\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			out: "-test.shuffle 17\nFAIL\tp\t0.1s\n",
		}, {
			name: "what a lost go test has left is told",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: half\n"}
`,
			out: "    a_test.go:1: half\n",
		}, {
			name: "compiler errors and plain text pass through",
			events: `{"ImportPath":"p","Action":"build-output","Output":"a.go:1: undefined: x\n"}
go: no such package
`,
			out: "a.go:1: undefined: x\ngo: no such package\n",
		}, {
			name: "a skipped test is named with its reason, a package without tests is not",
			events: `{"Action":"output","Package":"p","Test":"TestA/sub","Output":"=== RUN   TestA/sub\n"}
{"Action":"output","Package":"p","Test":"TestA/sub","Output":"    a_test.go:12: needs a broker:\n"}
{"Action":"output","Package":"p","Test":"TestA/sub","Output":"        set A3_BROKER\n"}
{"Action":"output","Package":"p","Test":"TestA/sub","Output":"    --- SKIP: TestA/sub (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA/sub"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}
`,
			out:   "?   \tq\t[no test files]\n",
			skips: "skipped: TestA/sub in p: needs a broker: set A3_BROKER\nskipped: TestB in p: no reason given\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, skips strings.Builder
			if err := report(strings.NewReader(c.events), &out, &skips); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.out {
				t.Errorf("printed\n%s\nwant\n%s", &out, c.out)
			}
			if skips.String() != c.skips {
				t.Errorf("skips\n%s\nwant\n%s", &skips, c.skips)
			}
		})
	}
}
