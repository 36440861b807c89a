package engine

// bitmap is a set of small numbers: one bit each, 125 KB a million.
type bitmap []uint64

func (b bitmap) has(n uint32) bool {
	word := int(n / 64)
	return word < len(b) && b[word]&(1<<(n%64)) != 0
}

func (b *bitmap) set(n uint32) {
	word := int(n / 64)
	if word >= len(*b) {
		*b = append(*b, make([]uint64, word+1-len(*b)+word/4)...)
	}
	(*b)[word] |= 1 << (n % 64)
}
