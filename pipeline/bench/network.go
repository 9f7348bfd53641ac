package bench

import (
	"bytes"
	"context"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/model"
)

// newTrainable returns a network of random weights that can be trained.
func (l *lab) newTrainable(ctx context.Context, c computeType, shape model.Config) (*model.Model, error) {
	m, err := model.New(shape, l.kernels, c.Type)
	if err != nil {
		return nil, err
	}
	if err := l.draw(ctx, m.Params); err != nil {
		return nil, err
	}
	m.Pack()
	return m, nil
}

// newDecoder returns a network of random weights as it is loaded from a file, for decoding.
func (l *lab) newDecoder(ctx context.Context, c computeType, shape model.Config) (*model.Model, error) {
	p := model.NewParams(&shape)
	if err := l.draw(ctx, p); err != nil {
		return nil, err
	}
	var file bytes.Buffer
	file.Grow(4*len(p.Flat) + 1<<20) // and the header
	if err := checkpoint.Write(&file, p.SafeTensors(), nil); err != nil {
		return nil, err
	}
	weights, err := checkpoint.Parse(file.Bytes())
	if err != nil {
		return nil, err
	}
	defer weights.Close()
	return model.Load(shape, weights, l.kernels, c.Type)
}

// draw sets norms to one and all else to normally distributed numbers.
func (l *lab) draw(ctx context.Context, p *model.Params) error {
	for _, t := range p.Tensors {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.IsNorm() {
			for i := range t.Data {
				t.Data[i] = 1
			}
			continue
		}
		l.noise.fill(t.Data, 0.02)
	}
	return nil
}
