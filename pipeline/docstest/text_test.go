package docstest

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mention = regexp.MustCompile("`a3 ([^`]+)`")
	flagged = regexp.MustCompile(`^--?[a-z][a-z-]*`)
)

// prose is the text of a page outside its fenced blocks.
func prose(t *testing.T, text string) string {
	t.Helper()
	blocks, err := parsePage(text)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	for _, b := range blocks {
		for i := b.fence; i <= b.fence+len(b.lines)+1; i++ {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// checkLinks fails for a link to a file that is not there.
func checkLinks(t *testing.T, dir, text string) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(prose(t, text), -1) {
		u, err := url.Parse(m[1])
		if err != nil || u.IsAbs() || u.Path == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(u.Path))); err != nil {
			t.Errorf("the link to %s leads nowhere", m[1])
		}
	}
}

// checkMentions fails for a command or a flag of a3 in the text that a3 does not have.
func checkMentions(t *testing.T, a3, text string) {
	t.Helper()
	help := map[string]string{}
	for _, m := range mention.FindAllStringSubmatch(prose(t, text), -1) {
		command, flags := parseMention(m[1])
		if _, asked := help[command]; !asked {
			help[command] = helpOf(t, a3, command)
		}
		if problem := unknown(help[command], command, flags); problem != "" {
			t.Errorf("`a3 %s`: %s", m[1], problem)
		}
	}
}

// parseMention splits what stands behind a3: the words of the command, and the flags.
func parseMention(text string) (command string, flags []string) {
	var words []string
	for _, w := range strings.Fields(text) {
		if f := flagged.FindString(w); f != "" {
			flags = append(flags, f)
		} else if flags == nil {
			words = append(words, w)
		}
	}
	isWord := regexp.MustCompile(`^[a-z]+$`)
	n := 0
	for n < len(words) && isWord.MatchString(words[n]) {
		n++
	}
	return strings.Join(words[:n], " "), flags
}

// helpOf is what a3 says of a command. For one that there is not it speaks of another.
func helpOf(t *testing.T, a3, command string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), a3, append(strings.Fields(command), "--help")...).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// unknown says what of a command the help does not know.
func unknown(help, command string, flags []string) string {
	if command != "" && !regexp.MustCompile(`(?m)^  a3 `+regexp.QuoteMeta(command)+`( |$)`).MatchString(help) {
		return "there is no such command"
	}
	for _, f := range flags {
		if !regexp.MustCompile(`(?m)^ +(-\w, )?` + regexp.QuoteMeta(f) + `[ ,]`).MatchString(help) {
			return "there is no flag " + f
		}
	}
	return ""
}
