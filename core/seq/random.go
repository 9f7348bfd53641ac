package seq

import (
	"math"
	"math/bits"
)

// Purpose separates the streams of random numbers that share all other keys.
type Purpose uint64

// The purposes for which random numbers are drawn. The values are part of what
// makes an output reproducible: add at the end, never renumber.
const (
	PurposeGrouping Purpose = iota + 1 // sampled partitions in training
	PurposeToken                       // the token at a position
	PurposeOrder                       // a strategy's choice of positions
	PurposeInit                        // initial weights
	PurposeShuffle                     // the order of training documents
	PurposeSplit                       // held-out documents
	PurposeCopy                        // query rows that copy a token in training
	PurposeAccept                      // whether a drafted token is kept
	PurposeResidual                    // the token in place of one that is not
)

// Key names a stream of random numbers. It is built from integers that name what
// is drawn (a seed, a document's key, a position, a step, a purpose), so that a
// draw depends on those alone: not on threads, batch mates or earlier draws.
type Key uint64

// NewKey mixes the words, in order, into a key.
func NewKey(words ...uint64) Key {
	return Key(0).With(words...)
}

// With returns the key extended by further words.
func (k Key) With(words ...uint64) Key {
	h := uint64(k) ^ 0x9e3779b97f4a7c15
	for _, w := range words {
		// A 64x64 -> 128 bit product folds both halves: each word reaches all bits.
		hi, lo := bits.Mul64(h^mix(w+0x9e3779b97f4a7c15), 0xd6e8feb86659fd93)
		h = mix(hi ^ lo ^ h)
	}
	return Key(h)
}

// Uniform returns the i-th number of the stream, in [0, 1), with 53 random bits.
func (k Key) Uniform(i uint64) float64 {
	return float64(k.Uint64(i)>>11) / (1 << 53)
}

// Uint64 returns the i-th 64-bit number of the stream.
func (k Key) Uint64(i uint64) uint64 {
	return mix(uint64(k) + (i+1)*0x9e3779b97f4a7c15)
}

// Intn returns the i-th number of the stream scaled to [0, n). n must be positive.
func (k Key) Intn(i uint64, n int) int {
	hi, _ := bits.Mul64(k.Uint64(i), uint64(n)) // Lemire; the bias is below n/2^64
	return int(hi)
}

// Shuffle permutes s in place, by Fisher and Yates, with the numbers of the stream.
func Shuffle[T any](k Key, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := k.Intn(uint64(i), i+1)
		s[i], s[j] = s[j], s[i]
	}
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection in
// which every input bit flips every output bit with probability near one half.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// HashBytes returns a 64-bit key of b, stable across versions and machines. It
// keys documents by their id or content.
func HashBytes(b []byte) uint64 {
	k := NewKey(uint64(len(b)))
	for len(b) >= 8 {
		k = k.With(uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56)
		b = b[8:]
	}
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	return uint64(k.With(tail))
}

// Normal returns the i-th number of the stream as a standard normal variate, by Box
// and Muller's transform.
func (k Key) Normal(i uint64) float64 {
	u := 1 - k.Uniform(2*i) // (0, 1]
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*k.Uniform(2*i+1))
}
