package main

import (
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// palette has the colours of the arms (Okabe and Ito, which most people can tell apart).
var palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255},
}

// A panel's size. There is one for each order, side by side.
const (
	panelWidth  = 7 * vg.Centimeter
	panelHeight = 7 * vg.Centimeter
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
				line.Color, line.Width = palette[j%len(palette)], vg.Points(1)
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
func writePlot(path string, arms []arm) (err error) {
	panels, err := panelsOf(arms)
	if err != nil {
		return err
	}
	n := vg.Length(len(orders))
	img := vgsvg.New(n*panelWidth, panelHeight)
	tiles := draw.Tiles{Rows: 1, Cols: len(orders), PadX: vg.Millimeter, PadY: vg.Millimeter}
	for i, canvas := range plot.Align(panels, tiles, draw.New(img))[0] {
		panels[0][i].Draw(canvas)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := img.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
