package kernels

// tileConfig is the operand of LDTILECFG.
type tileConfig struct {
	palette  byte
	_        [15]byte
	colBytes [16]uint16
	rows     [16]byte
}

// newTileConfig returns the shapes of the tiles for m rows of a, 1 to 32.
func newTileConfig(m int) (c tileConfig) {
	c.palette = 1
	for t, rows := range [8]int{min(m, 16), min(m, 16), m - 16, m - 16, min(m, 16), m - 16, 16, 16} {
		if rows > 0 {
			c.colBytes[t], c.rows[t] = 64, byte(rows)
		}
	}
	return c
}

// newTileConfigs returns the configurations for 1 to 32 rows; the first is not used.
func newTileConfigs() []tileConfig {
	list := make([]tileConfig, 33)
	for m := 1; m < len(list); m++ {
		list[m] = newTileConfig(m)
	}
	return list
}
