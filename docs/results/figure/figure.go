// Package figure writes the plots of the pages of results.
package figure

import (
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colour returns the i-th colour of a plot (Okabe and Ito, which most people can tell
// apart); they come again after the last.
func Colour(i int) color.RGBA {
	palette := [...]color.RGBA{
		{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255},
	}
	return palette[i%len(palette)]
}

// Colours is the number of different colours.
const Colours = 6

// A panel's size.
const (
	panelWidth  = 7 * vg.Centimeter
	panelHeight = 7 * vg.Centimeter
)

// Write writes rows of panels as SVG. The rows are equally long; nil is an empty place.
func Write(path string, panels [][]*plot.Plot) (err error) {
	rows, columns := len(panels), len(panels[0])
	img := vgsvg.New(vg.Length(columns)*panelWidth, vg.Length(rows)*panelHeight)
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Millimeter, PadY: vg.Millimeter}
	for i, canvases := range plot.Align(panels, tiles, draw.New(img)) {
		for j, canvas := range canvases {
			if panels[i][j] != nil {
				panels[i][j].Draw(canvas)
			}
		}
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
