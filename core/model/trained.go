package model

import (
	"fmt"
	"slices"
)

// Part names parameters that are trained or frozen together, in all layers.
type Part string

// The parts. The query embedding is one of its own and always trained.
const (
	PartEmbed Part = "embed" // the token embeddings, and a head that is tied to them
	PartHead  Part = "head"  // a head of its own
	PartNorms Part = "norms"
	PartQ     Part = "q"
	PartK     Part = "k"
	PartV     Part = "v"
	PartO     Part = "o"
	PartGate  Part = "gate"
	PartUp    Part = "up"
	PartDown  Part = "down"
	partQuery Part = "query"

	partLoRAA Part = "lora_A"
	partLoRAB Part = "lora_B"
)

// linearParts returns the linear maps of a layer, in the order of shapes and linear.list.
func linearParts() []Part { return []Part{PartQ, PartK, PartV, PartO, PartGate, PartUp, PartDown} }

// Trained says what of a model is trained. The rest stays as its checkpoint has it, and
// takes no memory but for the packed weights: no master copy, gradient or moments. The zero
// value is all of the model.
type Trained struct {
	Freeze []Part `json:"freeze,omitempty" yaml:"freeze"` // parts that are not trained
	LoRA   *LoRA  `json:"lora,omitempty" yaml:"lora"`     // train adapters and the query embedding alone
}

// LoRA is low-rank adapters (Hu et al. 2021, arXiv 2106.09685): a linear map's frozen
// weights W [out, in] are used as W + (Alpha/Rank) B A, of which A [Rank, in] and B [out,
// Rank] are trained.
type LoRA struct {
	Rank    int     `json:"rank" yaml:"rank"`
	Alpha   float64 `json:"alpha" yaml:"alpha"`
	Targets []Part  `json:"targets,omitempty" yaml:"targets"` // linear maps with an adapter; none named = all
}

// maxRank bounds the rank: adapters of a higher one save nothing.
const maxRank = 1 << 10

// Validate reports the first setting that cannot work, by its name in configurations.
func (t *Trained) Validate() error {
	if err := distinct("freeze", t.Freeze, append([]Part{PartEmbed, PartHead, PartNorms}, linearParts()...)); err != nil {
		return err
	}
	l := t.LoRA
	switch {
	case l == nil:
		return nil
	case len(t.Freeze) > 0:
		return fmt.Errorf("freeze and lora are both given; lora freezes all that it does not adapt: leave freeze out")
	case l.Rank < 1 || l.Rank > maxRank:
		return fmt.Errorf("lora: rank is %d, want 1 to %d", l.Rank, maxRank)
	case !(l.Alpha > 0 && l.Alpha <= 1e6):
		return fmt.Errorf("lora: alpha is %v, want above 0, such as twice the rank", l.Alpha)
	}
	return distinct("lora: targets", l.Targets, linearParts())
}

// validateFor is Validate for a network.
func (t *Trained) validateFor(c *Config) error {
	if c.Tied && slices.Contains(t.Freeze, PartHead) {
		return fmt.Errorf("freeze: the model's head is its embedding; freeze %s", PartEmbed)
	}
	return t.Validate()
}

// distinct reports a part that is not among those allowed, or named twice.
func distinct(field string, parts, allowed []Part) error {
	for i, p := range parts {
		if !slices.Contains(allowed, p) {
			return fmt.Errorf("%s: part %q is not one of %v", field, p, allowed)
		}
		if slices.Contains(parts[:i], p) {
			return fmt.Errorf("%s: part %q is named twice", field, p)
		}
	}
	return nil
}

// All reports whether the whole model is trained.
func (t *Trained) All() bool { return len(t.Freeze) == 0 && t.LoRA == nil }

// trains reports whether a part is trained as it is.
func (t *Trained) trains(p Part) bool {
	return p == partQuery || t.LoRA == nil && !slices.Contains(t.Freeze, p)
}

// adapts reports whether a part has adapters.
func (t *Trained) adapts(p Part) bool {
	if t.LoRA == nil {
		return false
	}
	targets := t.LoRA.Targets
	if len(targets) == 0 {
		targets = linearParts()
	}
	return slices.Contains(targets, p)
}

// shapes lists the tensors that are trained, of all those of a network: in their order, an
// adapter's two where its map would be.
func (t *Trained) shapes(all []shape) (list []shape) {
	for _, s := range all {
		switch {
		case t.trains(s.part):
			list = append(list, s)
		case t.adapts(s.part):
			list = append(list, s.adapter(partLoRAA, t.LoRA.Rank, s.dims[1]), s.adapter(partLoRAB, s.dims[0], t.LoRA.Rank))
		}
	}
	return list
}
