package main

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/any-order/a3/docs/results/figure"
)

// panelsOf draws the curves of the arms: a line a seed, a panel an order.
func panelsOf(arms []arm) ([][]*plot.Plot, error) {
	panels := make([]*plot.Plot, len(orders))
	for i, order := range orders {
		p := plot.New()
		p.Title.Text = order
		p.X.Label.Text = "million tokens"
		if i == 0 {
			p.Y.Label.Text = "held-out loss, nats a token"
		}
		p.Add(plotter.NewGrid())
		for j, a := range arms {
			for k, r := range a.runs {
				line, err := plotter.NewLine(r.curve(order))
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", a.name, order, err)
				}
				line.Color, line.Width = figure.Colour(j), vg.Points(1)
				p.Add(line)
				if k == 0 && i == 0 {
					p.Legend.Add(a.name, line)
				}
			}
		}
		p.Legend.Top = true
		panels[i] = p
	}
	return [][]*plot.Plot{panels}, nil
}

// curve is the loss of an order over millions of tokens.
func (r *run) curve(order string) plotter.XYs {
	var curve plotter.XYs
	for _, p := range r.points {
		if loss, ok := p.losses[order]; ok {
			curve = append(curve, plotter.XY{X: float64(p.tokens) / 1e6, Y: loss})
		}
	}
	return curve
}

// writePlot writes the panels as SVG.
func writePlot(path string, arms []arm) error {
	panels, err := panelsOf(arms)
	if err != nil {
		return err
	}
	return figure.Write(path, panels)
}
