package gguf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

const maxRank = 4

// tensor says where a tensor lies.
type tensor struct {
	Info
	begin int64 // byte of the file
}

// readTensor reads what the header says of one tensor. Its place is relative to the
// beginning of the data until place has checked it.
func (f *File) readTensor(c *cursor) error {
	name, err := c.name()
	if err != nil {
		return fmt.Errorf("tensor %d: %w", len(f.names)+1, err)
	}
	if f.Has(name) {
		return fmt.Errorf("tensor %s occurs twice", quote(name))
	}
	t, err := readInfo(c)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", quote(name), err)
	}
	f.tensors[name] = t
	f.names = append(f.names, name)
	return nil
}

func readInfo(c *cursor) (tensor, error) {
	var t tensor
	rank, err := c.uint32()
	if err != nil {
		return t, err
	}
	if rank < 1 || rank > maxRank {
		return t, fmt.Errorf("%d dimensions, want 1 to %d", rank, maxRank)
	}
	t.Shape = make([]int, rank)
	count := int64(1)
	for i := range t.Shape {
		d, err := c.uint64()
		if err != nil {
			return t, err
		}
		if d < 1 || d > math.MaxInt32 || count > math.MaxInt64/8/int64(d) {
			return t, fmt.Errorf("dimension %d is %d: absurd", i, d)
		}
		count *= int64(d)
		t.Shape[int(rank)-1-i] = int(d)
	}
	typ, err := c.uint32()
	if err != nil {
		return t, err
	}
	t.Type = Type(typ)
	l := t.Type.layout()
	row := t.Shape[rank-1]
	if l.elements == 0 {
		return t, fmt.Errorf("%s is not supported: quantise the model to another type, such as Q8_0 or Q4_K", t.Type)
	}
	if row%l.elements != 0 {
		return t, fmt.Errorf("rows of %d elements are no multiple of the blocks of %d of %s", row, l.elements, t.Type)
	}
	t.Bytes = count / int64(l.elements) * int64(l.bytes)
	at, err := c.uint64()
	if err == nil && (at > math.MaxInt64 || int64(at) > c.size) {
		err = fmt.Errorf("begins at byte %d of the data, but the file has %d", at, c.size)
	}
	t.begin = int64(at)
	return t, err
}

// place checks that the tensors tile the data, which begins at byte start, in any order,
// each padded to the alignment.
func (f *File) place(start, align int64) error {
	names := slices.Clone(f.names)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(f.tensors[a].begin, f.tensors[b].begin) })
	data := f.bytes.Size() - start
	var end int64 // of the tensor before
	for _, name := range names {
		t := f.tensors[name]
		err := error(nil)
		switch want := roundUp(end, align); {
		case t.begin%align != 0:
			err = fmt.Errorf("begins at byte %d of the data, not at a multiple of %d", t.begin, align)
		case t.begin < want:
			err = fmt.Errorf("begins at byte %d of the data, but the tensor before ends at %d: they overlap", t.begin, end)
		case t.begin > want:
			err = fmt.Errorf("begins at byte %d of the data, but the tensor before ends at %d: there is a hole", t.begin, end)
		case t.Bytes > data-t.begin:
			err = fmt.Errorf("needs %d bytes at byte %d of the data, which has %d: the file is cut", t.Bytes, t.begin, max(data, 0))
		}
		if err != nil {
			return fmt.Errorf("tensor %s: %w", quote(name), err)
		}
		end = t.begin + t.Bytes
		t.begin += start
		f.tensors[name] = t
	}
	if len(names) > 0 && data > roundUp(end, align) {
		return fmt.Errorf("%d bytes follow the last tensor", data-end)
	}
	return nil
}
