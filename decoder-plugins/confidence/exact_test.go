package confidence

import (
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

const (
	positions = 4
	words     = 3
	outcomes  = words * words * words * words
)

// joint is a distribution over all documents of four positions and three words, small
// enough to be enumerated. Its conditionals are consistent, as the theorem demands.
type joint [outcomes]float64

// newJoint draws a distribution: some documents are far likelier than others, and every
// other time those that differ from the likeliest in one position are likely too, which
// is what deceives independent choices most.
func newJoint(key seq.Key) *joint {
	var j joint
	sharpness := 400 * key.Uniform(1)
	for o := range j {
		j[o] = math.Exp(sharpness * key.With(2).Uniform(uint64(o)))
	}
	if key.Intn(3, 2) == 0 {
		mass := 5 * slices.Max(j[:]) * key.Uniform(4)
		for p := range positions {
			flipped := [positions]int{}
			flipped[p] = 1 + key.Intn(uint64(5+p), words-1)
			j[index(flipped)] += mass * key.With(6).Uniform(uint64(p))
		}
		j[0] += mass * key.Uniform(7)
	}
	return &j
}

// index numbers the documents.
func index(document [positions]int) (o int) {
	for _, w := range document {
		o = o*words + w
	}
	return o
}

// best returns the likeliest word at a position given the known ones (-1 is unknown), and
// its probability.
func (j *joint) best(known [positions]int, position int) (word int, prob float64) {
	var mass [words]float64
	var at [positions]int
	for o, w := range j {
		for p, rest := positions-1, o; p >= 0; p, rest = p-1, rest/words {
			at[p] = rest % words
		}
		agrees := true
		for p, k := range known {
			agrees = agrees && (k < 0 || k == at[p])
		}
		if agrees {
			mass[at[position]] += w
		}
	}
	for w := range mass {
		if mass[w] > mass[word] {
			word = w
		}
	}
	return word, mass[word] / (mass[0] + mass[1] + mass[2])
}

// disagreements decodes greedily and fills each group of more than one position again,
// one position at a time and in all orders. It returns the number of such groups, and of
// those in which some order puts other words.
func disagreements(t *testing.T, s *stepper, j *joint) (groups, wrong int) {
	t.Helper()
	known := [positions]int{-1, -1, -1, -1}
	for slices.Contains(known[:], -1) {
		obs := &strategy.Observation{Doc: []uint64{1}, Step: []int32{0}}
		together := known
		for p, k := range known {
			if k < 0 {
				word, prob := j.best(known, p)
				together[p] = word
				obs.Position, obs.Prob = append(obs.Position, int32(p)), append(obs.Prob, float32(prob))
			}
		}
		obs.Offset = []int32{0, int32(len(obs.Position))}
		decision, err := s.Next(t.Context(), obs)
		if err != nil {
			t.Fatal(err)
		}
		group := slices.Clone(decision.Commit)
		if len(group) > 1 {
			groups++
			if !j.agrees(known, group, together) {
				wrong++
			}
		}
		for _, p := range group {
			known[p] = together[p]
		}
	}
	return groups, wrong
}

// agrees says whether filling the group one at a time gives the same words in all orders.
func (j *joint) agrees(known [positions]int, group []int32, together [positions]int) bool {
	for i, p := range group {
		word, _ := j.best(known, int(p))
		if word != together[p] {
			return false
		}
		next := known
		next[p] = word
		if !j.agrees(next, slices.Delete(slices.Clone(group), i, i+1), together) {
			return false
		}
	}
	return true
}

// TestParallelIsSequential holds the strategy to theorem 1 of Fast-dLLM: within its bound,
// greedy choices that are made together are those made one at a time. Beyond the bound
// they are not, on the same distributions.
func TestParallelIsSequential(t *testing.T) {
	const joints = 3000
	// n <= 4 positions, each with more than 1-epsilon where (n+1) epsilon = 1.
	const bound = 1 - 1.0/(positions+1)
	for _, c := range []struct {
		name  string
		s     stepper
		exact bool
	}{
		{"threshold within the bound", stepper{size: 1, threshold: bound + 1e-6}, true},
		{"factor within the bound", stepper{size: 1, factor: 1 - 1e-6}, true},
		{"threshold beyond the bound", stepper{size: 1, threshold: 0.5}, false},
		{"factor beyond the bound", stepper{size: 1, factor: 1.5}, false},
		{"two at a time, however unsure", stepper{size: 2}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var groups, wrong int
			for i := range uint64(joints) {
				g, w := disagreements(t, &c.s, newJoint(seq.NewKey(11, i)))
				groups, wrong = groups+g, wrong+w
			}
			t.Logf("%d of %d groups are not what one at a time gives", wrong, groups)
			if groups < joints/10 {
				t.Errorf("only %d groups of more than one position in %d documents: the test sees little", groups, joints)
			}
			if c.exact && wrong > 0 || !c.exact && wrong == 0 {
				t.Errorf("%d of %d groups are not what one at a time gives", wrong, groups)
			}
		})
	}
}
