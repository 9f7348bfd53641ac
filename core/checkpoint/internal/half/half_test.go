package half

import (
	"math"
	"testing"
)

// Every half, against its definition.
func TestHalfToFloat32(t *testing.T) {
	for h := range 1 << 16 {
		sign := 1.0
		if h&0x8000 != 0 {
			sign = -1
		}
		exp, frac := h>>10&0x1f, float64(h&0x3ff)
		var want float64
		switch {
		case exp == 0x1f && frac != 0:
			want = math.NaN()
		case exp == 0x1f:
			want = math.Inf(int(sign))
		case exp == 0:
			want = math.Copysign(math.Ldexp(frac, -24), sign)
		default:
			want = sign * math.Ldexp(1024+frac, exp-25)
		}
		got := float64(Float32(uint16(h)))
		if math.IsNaN(want) && math.IsNaN(got) {
			continue
		}
		if got != want || math.Signbit(got) != math.Signbit(want) {
			t.Fatalf("half %#04x is %g, want %g", h, got, want)
		}
	}
}

// Every BF16 survives the way there and back, NaN as a NaN.
func TestBFloat16RoundTrip(t *testing.T) {
	for b := range 1 << 16 {
		f := FromBFloat16(uint16(b))
		got := BFloat16(f)
		if f != f {
			if g := FromBFloat16(got); g == g {
				t.Fatalf("NaN %#04x became %g", b, g)
			}
		} else if got != uint16(b) {
			t.Fatalf("%#04x became %#04x", b, got)
		}
	}
}

// For every pair of neighbouring BF16 the values between round to the nearer, and the
// middle to the even one.
func TestBFloat16RoundsToNearestEven(t *testing.T) {
	for b := range uint32(0x7f80) { // all positive finite ones; the sign is symmetric
		low := b << 16
		even := b + b&1
		for _, c := range []struct {
			bits uint32
			want uint32
		}{
			{low, b},
			{low + 1, b},
			{low + 0x7fff, b},
			{low + 0x8000, even},
			{low + 0x8001, b + 1},
			{low + 0xffff, b + 1},
		} {
			for _, sign := range []uint32{0, 0x8000} {
				got := BFloat16(math.Float32frombits(c.bits | sign<<16))
				if uint32(got) != c.want|sign {
					t.Fatalf("float32 %#08x became %#04x, want %#04x", c.bits|sign<<16, got, c.want|sign)
				}
			}
		}
	}
	// A NaN whose payload lies in the lower half must not become an infinity, nor
	// carry into the sign.
	for _, bits := range []uint32{0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff} {
		if got := FromBFloat16(BFloat16(math.Float32frombits(bits))); got == got {
			t.Errorf("NaN %#08x became %g", bits, got)
		}
	}
}
