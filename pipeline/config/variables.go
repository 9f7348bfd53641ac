package config

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:[^}]*)?\}`)
	escaped  = regexp.MustCompile(`^\$\{\{[^}]*\}\}`)
)

// expand puts variables into a scalar: ${NAME} is the value of NAME, ${NAME:default}
// the default where NAME is not set or empty. ${{text}} stands for ${text} itself. The
// errors name variables, never values.
func expand(text string, lookup func(name string) (string, bool)) (string, []string) {
	var out strings.Builder
	var problems []string
	for {
		before, after, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), problems
		}
		rest := text[len(before):]
		if m := escaped.FindString(rest); m != "" {
			out.WriteString("$" + m[2:len(m)-1])
			text = rest[len(m):]
			continue
		}
		m := variable.FindStringSubmatch(rest)
		if m == nil {
			problems = append(problems, "\"${\" begins a variable, ${NAME} or ${NAME:default}; for the text ${...} itself write ${{...}}")
			text = after
			continue
		}
		value, set := lookup(m[1])
		switch fallback, has := strings.CutPrefix(m[2], ":"); {
		case set && (value != "" || !has):
			out.WriteString(value)
		case has:
			out.WriteString(fallback)
		default:
			problems = append(problems, fmt.Sprintf("the variable %s is not set; set it, or give a default: ${%[1]s:default}", m[1]))
		}
		text = rest[len(m[0]):]
	}
}
