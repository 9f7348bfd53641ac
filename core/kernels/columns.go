package kernels

// Views of some columns, for threads that share one product: whole panels each, so that
// nobody writes to the padding of another.

// Count returns the number of panels.
func (p *Panels) Count() int { return (p.N + panelWidth - 1) / panelWidth }

// ColumnsOf returns a view of the panels [from, to), and the columns [c0, c1) in them.
func (p *Panels) ColumnsOf(from, to int) (part Panels, c0, c1 int) {
	c0, c1 = from*panelWidth, min(to*panelWidth, p.N)
	return p.Columns(c0, c1), c0, c1
}

// ColsOf returns the view of columns [from, to) as a result of products. from is that of
// a panel, and so is to, unless it is Cols.
func (r Rows) ColsOf(from, to int) Rows {
	if r.h == nil {
		return FloatRows(r.Mat().ColsOf(from, to))
	}
	if from%panelWidth != 0 || to%panelWidth != 0 && to != r.Cols || from > to || to > r.Cols {
		panic(ShapeError{"Rows.ColsOf", "whole panels", "a part of one"})
	}
	v := Rows{N: r.N, Cols: to - from, stride: r.stride, h: r.h[:0:0]}
	if r.N > 0 {
		v.h = r.h[from : (r.N-1)*r.stride+roundUp(to, panelWidth)]
	}
	return v
}

// CopyPart copies the columns [from, to) of row j of src, which has the type and the columns
// of r, to row i, and what a row is filled up with behind the last column.
func (r Rows) CopyPart(i int, src Rows, j, from, to int) {
	if r.Cols != src.Cols || r.Type() != src.Type() {
		panic(ShapeError{"Rows.CopyPart", "rows of one shape and type", "others"})
	}
	if r.h == nil {
		copy(r.f[i*r.stride:][from:to], src.f[j*src.stride:][from:to])
		return
	}
	if to == r.Cols {
		to = len(r.row(i))
	}
	copy(r.row(i)[from:to], src.row(j)[from:to])
}
