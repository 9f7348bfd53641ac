package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// quiet is up to which share of other processes numbers are taken for the machine's.
const quiet = 0.03

// Report is the outcome.
type Report struct {
	Suite   string   `json:"suite"`
	Machine Machine  `json:"machine"`
	Results []Result `json:"results"`
	Others  float64  `json:"others"` // share of the CPUs' time that other processes took; 0 also where that is not known

	hideMachine bool // in the table
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the report for people: a line for each name, a column for each number
// of threads.
func (r *Report) WriteTable(w io.Writer) error {
	var text strings.Builder
	if !r.hideMachine {
		if err := r.Machine.write(&text); err != nil {
			return err
		}
		if len(r.Results) > 0 {
			text.WriteByte('\n')
		}
	}
	r.writeResults(&text)
	if len(r.Results) > 0 && r.Others > quiet {
		fmt.Fprintf(&text, "\nOther processes took %.0f%% of the CPUs' time: an idle machine is faster than this.\n", 100*r.Others)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (m *Machine) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	name := m.Processor
	if name != "" {
		name += ", "
	}
	list := func(names []string) string {
		if len(names) == 0 {
			return "none"
		}
		return strings.Join(names, " ")
	}
	fmt.Fprintf(t, "machine\t%s%s/%s, %s\n", name, m.OS, m.Arch, m.Go)
	fmt.Fprintf(t, "features\t%s\n", list(m.Features))
	fmt.Fprintf(t, "level\t%s, of %s\n", m.Level, list(m.Levels))
	fmt.Fprintf(t, "compute\t%s\n", list(m.Compute))
	fmt.Fprintf(t, "threads\t%d, on %d CPUs\n", m.Threads, m.CPUs)
	return t.Flush()
}

// row is what stands in a line of the table.
type row struct {
	name, unit string
	values     map[int]string // by number of threads
}

func (r *Report) writeResults(w io.Writer) {
	var rows []row
	var columns []int
	wide := 0
	for _, result := range r.Results {
		i := slices.IndexFunc(rows, func(row row) bool { return row.name == result.Name })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{result.Name, result.Unit, map[int]string{}})
		}
		rows[i].values[result.Threads] = format(result.Value)
		wide = max(wide, len(result.Name))
		if !slices.Contains(columns, result.Threads) {
			columns = append(columns, result.Threads)
		}
	}
	slices.Sort(columns)
	section := ""
	for _, row := range rows {
		if first, _, _ := strings.Cut(row.name, "/"); first != section {
			if section != "" {
				fmt.Fprintln(w)
			}
			section = first
			fmt.Fprintf(w, "%-*s", wide, section)
			for _, threads := range columns {
				fmt.Fprintf(w, "  %11s", threadCount(threads))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%-*s", wide, row.name)
		for _, threads := range columns {
			fmt.Fprintf(w, "  %11s", row.values[threads])
		}
		fmt.Fprintf(w, "  %s\n", row.unit)
	}
}

func threadCount(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

// format shows about three digits.
func format(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
