package main

import (
	"context"
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/any-order/a3/docs/results/figure"
)

// point is a strategy in a plot.
type point struct {
	calls, mean, spans float64 // model calls a token, log-probability a token, percent
}

// compare adds the tables of a section, one a share, and returns its panels.
func (l *lab) compare(ctx context.Context, b *strings.Builder, s section) ([][]*plot.Plot, error) {
	top, bottom := make([]*plot.Plot, len(l.tasks)+1), make([]*plot.Plot, len(l.tasks)+1)
	for i, t := range l.tasks {
		fmt.Fprintf(b, "\n%d %% blanked:\n\n| strategy | calls a token | rows a token | filled | whole | against `%s` | tokens right | spans right | tokens/s |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
			t.share, s.Curves[0].Strategies[0])
		points, err := l.rows(ctx, b, s, t)
		if err != nil {
			return nil, err
		}
		title := fmt.Sprintf("%d %% blanked", t.share)
		top[i] = panel(points, func(p point) float64 { return p.mean })
		bottom[i] = panel(points, func(p point) float64 { return p.spans })
		top[i].Title.Text, bottom[i].X.Label.Text = title, "model calls a token"
	}
	top[0].Y.Label.Text, bottom[0].Y.Label.Text = "log-probability, nats a token", "spans right, %"
	top[len(l.tasks)] = legend(s.Curves)
	return [][]*plot.Plot{top, bottom}, nil
}

// rows adds the rows of a table: the documents as they were, and every strategy.
func (l *lab) rows(ctx context.Context, b *strings.Builder, s section, t *task) ([][]point, error) {
	base, err := l.measure(ctx, s.Curves[0].Strategies[0], t, s.Temperature)
	if err != nil {
		return nil, err
	}
	engine, err := l.engine(s.Temperature)
	if err != nil {
		return nil, err
	}
	heldOut, err := judge(ctx, engine, t, t.truth)
	if err != nil {
		return nil, err
	}
	heldOut.row(b, t, "(held out)", nil, &base.quality)
	points := make([][]point, len(s.Curves))
	for i, c := range s.Curves {
		for _, name := range c.Strategies {
			out, err := l.measure(ctx, name, t, s.Temperature)
			if err != nil {
				return nil, err
			}
			against := &base.quality
			if out == base {
				against = nil
			}
			out.row(b, t, "`"+name+"`", out, against)
			points[i] = append(points[i], point{float64(out.calls) / float64(t.blanks), out.mean(), percent(out.spans, t.spans)})
		}
	}
	return points, nil
}

// panel draws one measure over the calls: a line with dots a curve.
func panel(curves [][]point, measure func(point) float64) *plot.Plot {
	p := plot.New()
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = calls()
	p.Add(plotter.NewGrid())
	for i, c := range curves {
		xy := make(plotter.XYs, len(c))
		for j, at := range c {
			xy[j] = plotter.XY{X: at.calls, Y: measure(at)}
		}
		line, dots := style(i)
		line.XYs, dots.XYs = xy, xy
		p.Add(line, dots)
	}
	return p
}

// calls marks numbers of calls a token that read well on a logarithmic axis.
func calls() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, x := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10} {
		ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprint(x)})
	}
	return ticks
}

// style is how the i-th curve looks: colours come again with another form.
func style(i int) (*plotter.Line, *plotter.Scatter) {
	forms := [...]draw.GlyphDrawer{draw.CircleGlyph{}, draw.PyramidGlyph{}, draw.SquareGlyph{}}
	round := i / figure.Colours
	line, dots := &plotter.Line{}, &plotter.Scatter{}
	line.Color, line.Width = figure.Colour(i), vg.Points(1)
	if round > 0 {
		line.Dashes = []vg.Length{vg.Points(3), vg.Points(2)}
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: figure.Colour(i), Radius: vg.Points(2.5), Shape: forms[round%len(forms)]}
	return line, dots
}

// legend is a panel with nothing but the names of the curves.
func legend(curves []curve) *plot.Plot {
	p := plot.New()
	p.HideAxes()
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(2)
	for i, c := range curves {
		line, dots := style(i)
		p.Legend.Add(c.Name, line, dots)
	}
	return p
}
