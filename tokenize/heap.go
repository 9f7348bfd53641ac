package tokenize

// heap is a binary heap; the item that comes before all others is popped first.
// Where Before is a total order, what is popped does not depend on the order of pushes.
type heap[T interface{ Before(T) bool }] []T

func (h *heap[T]) push(x T) {
	a := append(*h, x)
	i := len(a) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !x.Before(a[parent]) {
			break
		}
		a[i] = a[parent]
		i = parent
	}
	a[i] = x
	*h = a
}

// pop removes and returns the first item; the heap must not be empty.
func (h *heap[T]) pop() T {
	a := *h
	first, x := a[0], a[len(a)-1]
	var zero T
	a[len(a)-1] = zero // the array must not keep what the item refers to
	a = a[:len(a)-1]
	i := 0
	for {
		child := 2*i + 1
		if child >= len(a) {
			break
		}
		if child+1 < len(a) && a[child+1].Before(a[child]) {
			child++
		}
		if !a[child].Before(x) {
			break
		}
		a[i] = a[child]
		i = child
	}
	if len(a) > 0 {
		a[i] = x
	}
	*h = a
	return first
}
