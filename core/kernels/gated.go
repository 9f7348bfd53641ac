package kernels

// MulGated is the first half of a feed-forward block: with g = a wg and u = a wu,
//
//	ffn = silu(g) * u
//
// A backward pass needs g and u: they are stored in gate and up, unless those are empty.
func (k *Kernels) MulGated(ffn, gate, up, a Rows, wg, wu *Panels, s *Scratch) {
	checkProduct("MulGated", ffn.N, ffn.Cols, a, wg)
	checkProduct("MulGated", ffn.N, ffn.Cols, a, wu)
	if wu.Type() != wg.Type() {
		panic(ShapeError{"MulGated", string(wg.Type()) + " panels", string(wu.Type())})
	}
	for r0 := 0; r0 < a.N; r0 += blockM {
		rows := min(blockM, a.N-r0)
		left := k.left(a.Slice(r0, r0+rows), wg, s)
		for n0 := 0; n0 < wg.N; {
			panels := panelsAtOnce(rows, wg.N-n0)
			gates, ups := s.tileRows(0, panels*rows), s.tileRows(1, panels*rows)
			k.mulTiles(gates, left, wg, n0, panels, wu.at(n0), s)
			k.mulTiles(ups, left, wu, n0, panels, wg.at(n0+panels*panelWidth), s)
			for ; panels > 0; panels-- {
				n := min(panelWidth, wg.N-n0)
				g, u := gates[:rows*panelWidth], ups[:rows*panelWidth]
				k.gated(ffn, gate, up, g, u, r0, rows, n0, n)
				gates, ups = gates[rows*panelWidth:], ups[rows*panelWidth:]
				n0 += panelWidth
			}
		}
	}
}

// MulGatedGrad is the backward of MulGated and of the product behind it: from the
// gradient dy of y = ffn wd, the panels of wdᵀ and the kept gate and up it computes dgate and
// dup (see SiLUMulGrad) for dffn = dy wdᵀ, and once more ffn, which the gradient of wd
// needs.
func (k *Kernels) MulGatedGrad(dgate, dup, ffn, dy Rows, wd *Panels, gate, up Rows, s *Scratch) {
	checkProduct("MulGatedGrad", ffn.N, ffn.Cols, dy, wd)
	k.eachTile(dy, wd, s, func(d []float32, r0, rows, n0, n int) {
		k.gatedGrad(dgate, dup, ffn, gate, up, d, r0, rows, n0, n, s)
	})
}

// gated stores silu(g) * u for tiles [rows][32], and g and u themselves if gate and up are not
// empty, at (r0, n0). g is overwritten.
func (k *Kernels) gated(ffn, gate, up Rows, g, u []float32, r0, rows, n0, n int) {
	if k.tiles && ffn.h != nil {
		at := r0*ffn.stride + n0
		var keepGate, keepUp *uint16
		if gate.N > 0 {
			keepGate, keepUp = &gate.h[at], &up.h[at]
		}
		gatedAMX(&ffn.h[at], keepGate, keepUp, uintptr(ffn.stride)*2, &g[0], &u[0], rows)
		return
	}
	if gate.N > 0 {
		k.storeRows(gate, g, r0, rows, n0, n)
		k.storeRows(up, u, r0, rows, n0, n)
	}
	k.SiLUMul(g, g, u)
	k.storeRows(ffn, g, r0, rows, n0, n)
}

// gatedGrad is the backward of gated for the gradient d of its result.
func (k *Kernels) gatedGrad(dgate, dup, ffn, gate, up Rows, d []float32, r0, rows, n0, n int, s *Scratch) {
	if k.tiles && ffn.h != nil {
		at := r0*ffn.stride + n0
		gatedGradAMX(&dgate.h[at], &dup.h[at], &ffn.h[at], &gate.h[at], &up.h[at], uintptr(ffn.stride)*2, &d[0], rows)
		return
	}
	g, u, f := s.tileRows(1, rows), s.tileRows(2, rows), s.tileRows(3, rows)
	k.loadRows(g, gate, r0, rows, n0, n)
	k.loadRows(u, up, r0, rows, n0, n)
	k.SiLUMul(f, g, u)
	k.storeRows(ffn, f, r0, rows, n0, n)
	k.SiLUMulGrad(g, u, g, u, d)
	k.storeRows(dgate, g, r0, rows, n0, n)
	k.storeRows(dup, u, r0, rows, n0, n)
}
