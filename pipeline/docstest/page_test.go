package docstest

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A block is a fenced block of a page. Lines are counted from 0.
type block struct {
	lang  string
	skip  string // the reason why it is not run
	exit  int    // the status of the last command
	kafka string // the address of the broker that it needs
	file  string // the file that it is the content of
	fence int    // the line of the opening fence; the content follows
	lines []string
}

// A step is a command with the output that the page shows.
type step struct {
	command string
	line    int // of the command
	output  int // the line at which its output starts
	want    []string
}

var (
	fence     = regexp.MustCompile("^( *)(```+)(.*)$")
	attribute = regexp.MustCompile(`^(\w+)=("[^"]+"|\S+)\s*`)
)

// parsePage finds the fenced blocks of a page.
func parsePage(text string) ([]block, error) {
	var blocks []block
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		indent, ticks := m[1], m[2]
		b := block{fence: i}
		lang, words, _ := strings.Cut(strings.TrimSpace(m[3]), " ")
		b.lang = lang
		if err := b.setAttributes(strings.TrimSpace(words)); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		for i++; ; i++ {
			if i == len(lines) {
				return nil, fmt.Errorf("line %d: the block is not closed", b.fence+1)
			}
			if strings.TrimSpace(lines[i]) == ticks {
				break
			}
			b.lines = append(b.lines, strings.TrimPrefix(lines[i], indent))
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func (b *block) setAttributes(words string) error {
	for words != "" {
		m := attribute.FindStringSubmatch(words)
		if m == nil {
			return fmt.Errorf("%q is not key=value", words)
		}
		words = words[len(m[0]):]
		switch value := strings.Trim(m[2], `"`); m[1] {
		case "skip":
			b.skip = value
		case "file":
			b.file = value
		case "kafka":
			b.kafka = value
		case "exit":
			n, err := strconv.Atoi(value)
			if err != nil {
				return fmt.Errorf("exit=%s is not a number", value)
			}
			b.exit = n
		default:
			return fmt.Errorf("%s= is not known; there are skip=REASON, exit=STATUS, kafka=ADDRESS and file=PATH", m[1])
		}
	}
	return nil
}

// steps are the commands of a block; none if it is not one of commands.
func (b *block) steps() ([]step, error) {
	switch b.lang {
	case "console":
		return b.session()
	case "sh":
		return b.script(), nil
	case "bash", "shell", "zsh", "shell-session", "terminal":
		return nil, fmt.Errorf("line %d: call the block console or sh; %s would not be run", b.fence+1, b.lang)
	case "", "text":
		for i, line := range b.lines {
			if strings.HasPrefix(line, "$ ") {
				return nil, fmt.Errorf("line %d: call the block console, or the command is not run", b.fence+i+2)
			}
		}
	}
	return nil, nil
}

func (b *block) session() ([]step, error) {
	var steps []step
	goesOn := false // a backslash ended the line before
	for i, line := range b.lines {
		at := b.fence + 1 + i
		command, isCommand := strings.CutPrefix(line, "$ ")
		var last *step
		if len(steps) > 0 {
			last = &steps[len(steps)-1]
		}
		switch {
		case isCommand && !goesOn:
			steps = append(steps, step{command: command, line: at, output: at + 1})
			goesOn = strings.HasSuffix(command, `\`)
		case last == nil:
			return nil, fmt.Errorf("line %d: output without a command; a command starts with \"$ \"", at+1)
		case goesOn || (last.want == nil && strings.HasPrefix(line, "> ")):
			line = strings.TrimPrefix(line, "> ")
			last.command += "\n" + line
			last.output = at + 1
			goesOn = strings.HasSuffix(line, `\`)
		default:
			last.want = append(last.want, line)
		}
	}
	if steps == nil {
		return nil, fmt.Errorf("line %d: the block has no command", b.fence+1)
	}
	return steps, nil
}

func (b *block) script() []step {
	var steps []step
	goesOn := false
	for i, line := range b.lines {
		if trimmed := strings.TrimSpace(line); !goesOn && (trimmed == "" || trimmed[0] == '#') {
			continue
		}
		if goesOn {
			steps[len(steps)-1].command += "\n" + line
		} else {
			steps = append(steps, step{command: line, line: b.fence + 1 + i, output: b.fence + 2 + i})
		}
		goesOn = strings.HasSuffix(line, `\`)
	}
	return steps
}

// decimal is a number whose last digits depend on the CPU level.
var decimal = regexp.MustCompile(`-?\d+\.\d+`)

// matches compares an output with what a page shows of it. Numbers with a decimal point
// may differ by one in 10000: equal digits are promised on one CPU level only.
func matches(want []string, got string) bool {
	var expr strings.Builder
	var numbers []string
	expr.WriteString(`\A`)
	for _, line := range want {
		if strings.TrimSpace(line) == "..." {
			expr.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(strings.TrimRight(line, " "), "...")
		for i, part := range parts {
			numbers = append(numbers, decimal.FindAllString(part, -1)...)
			between := decimal.Split(part, -1)
			for j := range between {
				between[j] = regexp.QuoteMeta(between[j])
			}
			parts[i] = strings.Join(between, "("+decimal.String()+")")
		}
		expr.WriteString(strings.Join(parts, ".*") + `\n`)
	}
	expr.WriteString(`\z`)
	found := regexp.MustCompile(expr.String()).FindStringSubmatch(trimLines(got))
	return found != nil && slices.EqualFunc(numbers, found[1:], near)
}

// near says whether two decimal numbers are equal but for their last digits.
func near(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && math.Abs(x-y) <= 1e-4*max(1, math.Abs(x))
}

// trimLines drops spaces at the ends of lines and empty lines at the end.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \r")
	}
	s = strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if s == "" {
		return ""
	}
	return s + "\n"
}
