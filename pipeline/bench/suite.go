package bench

import (
	"fmt"

	"github.com/any-order/a3/core/model"
)

// suite is a table of what is measured.
type suite struct {
	name       string
	reads      []int // bytes of working sets
	products   []product
	attentions []int // rows
	trainings  []training
	infills    []infilling  // of the model that was asked for
	generates  []infilling  // of the reference network
	decode     *leftToRight // of a network of random weights
}

func suiteOf(name string) (*suite, error) {
	switch name {
	case DefaultSuite:
		return defaultSuite(), nil
	case PeersSuite:
		return peersSuite(), nil
	}
	return nil, fmt.Errorf("suite %q is not known; use %s or %s", name, DefaultSuite, PeersSuite)
}

// products are those of a step in a network of hidden 576 (attention's and the
// feed-forward block's), a large square one, and decoding's: a row, and a vocabulary.
func products() []product {
	return []product{{512, 576, 576}, {512, 1536, 576}, {512, 576, 1536}, {2048, 2048, 2048}, {1, 1536, 576}, {16, 49152, 576}}
}

func defaultSuite() *suite {
	return &suite{
		name:       DefaultSuite,
		reads:      []int{1 << 20, 32 << 20, 256 << 20},
		products:   products(),
		attentions: []int{512, 2048},
		trainings:  []training{{network: "stories", shape: stories(), sequence: 256, batch: 8, alone: true, held: true}},
		infills: []infilling{
			{strategy: ltr, documents: 1, positions: 128, given: 96},
			{strategy: ltr, documents: 64, positions: 128, given: 96},
			{strategy: groups4, documents: 1, positions: 128, given: 96},
			{strategy: groups4, documents: 64, positions: 128, given: 96},
		},
	}
}

// peersSuite is the work that the scripts of core/benchmarks give to other engines.
func peersSuite() *suite {
	return &suite{
		name:     PeersSuite,
		products: products(),
		trainings: []training{
			{network: "reference", shape: reference(), sequence: 256, batch: 8},
			{network: "smollm2", shape: smolLM2(), sequence: 512, batch: 8},
			{network: "smollm2", shape: smolLM2(), sequence: 256, batch: 16, named: true},
			{network: "smollm2", shape: smolLM2(), sequence: 2048, batch: 2, named: true},
		},
		generates: []infilling{
			{strategy: groups4, documents: 64, positions: 256, given: 64},
			{strategy: dynamic4, documents: 64, positions: 256, given: 64},
		},
		decode: &leftToRight{shape: smolLM2(), given: 16, generated: 48, documents: []int{1, 16, 64}},
	}
}

// tasks returns the measurements in the order of the report.
func (s *suite) tasks(l *lab, compute []computeType) []task {
	var tasks []task
	add := func(section string, t task) {
		t.section = section
		tasks = append(tasks, t)
	}
	for _, bytes := range s.reads {
		add(sectionMemory, l.read(bytes))
	}
	for _, p := range s.products {
		for _, c := range compute {
			add(sectionGEMM, l.gemm(c, p))
		}
	}
	for _, c := range compute {
		for _, rows := range s.attentions {
			if c.trains {
				add(sectionAttention, l.attention(c, rows))
			}
		}
	}
	for _, t := range s.trainings {
		for _, c := range compute {
			if c.trains {
				add(sectionTrain, l.train(c, t))
			}
		}
	}
	if len(s.infills) > 0 {
		for _, c := range compute {
			add(sectionDecode, l.infill(c, s.infills))
		}
	}
	for _, job := range s.generates {
		add(sectionDecode, l.generate(preferred(compute, l.kernels), job))
	}
	if s.decode != nil {
		for _, c := range compute {
			add(sectionDecode, l.leftToRight(c, *s.decode))
		}
	}
	return tasks
}

// The networks: the embedded model's shape, that of the published code's example, and
// SmolLM2-135M's.

func stories() model.Config {
	return model.Config{
		Vocab: 6144, Hidden: 256, FFN: 768, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 512, Tied: true, PadToken: -1,
	}
}

func reference() model.Config {
	return model.Config{
		Vocab: 4096, Hidden: 256, FFN: 704, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 256, Residual: model.ResidualOfficial, PadToken: -1,
	}
}

func smolLM2() model.Config {
	return model.Config{
		Vocab: 49152, Hidden: 576, FFN: 1536, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
		NormEps: 1e-5, RopeTheta: 1e5, MaxPositions: 8192, Tied: true, PadToken: -1,
	}
}
