package sqlite

import (
	"sync"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
)

// The allocator beneath the driver has pages of 64 KiB for blocks of up to a quarter of
// that, by powers of two, and gives a page back to the system when its last block is
// free: SQLite, which takes and frees one block for each page of a table it splits, made
// four system calls each time, of which some stop all processors of the process.
const (
	smallestBlock = 1 << 10
	largestBlock  = 1 << 14
)

// holdPages takes one block of each size for good. The module of the allocator is the
// driver's own: its version follows from that of the driver.
var holdPages = sync.OnceFunc(func() {
	thread := libc.NewTLS()
	defer thread.Close()
	for size := types.Size_t(smallestBlock); size <= largestBlock; size *= 2 {
		libc.Xmalloc(thread, size)
	}
})
