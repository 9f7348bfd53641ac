package kernels

// tileConfig is the operand of LDTILECFG.
type tileConfig struct {
	palette, startRow byte
	_                 [14]byte
	colBytes          [16]uint16
	rows              [16]byte
}

// newTileConfig returns the shapes of the tiles for two groups of rows of a, each at most
// 16: tiles 0 and 1 are the first group's results, 2 and 3 the second's.
func newTileConfig(first, second int) (c tileConfig) {
	c.palette = 1
	for t, rows := range [8]int{first, first, second, second, first, second, 16, 16} {
		if rows > 0 {
			c.colBytes[t], c.rows[t] = 64, byte(rows)
		}
	}
	return c
}

// newTileConfigs returns the configurations for 1 to 32 rows, and those for 1 to 16 rows
// in two planes. The first is not used.
func newTileConfigs() (rows, planes []tileConfig) {
	rows, planes = make([]tileConfig, 33), make([]tileConfig, 17)
	for m := 1; m < len(rows); m++ {
		rows[m] = newTileConfig(min(m, 16), max(m-16, 0))
	}
	for m := 1; m < len(planes); m++ {
		planes[m] = newTileConfig(m, m)
	}
	return rows, planes
}
