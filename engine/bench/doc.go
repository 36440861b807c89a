// Package bench measures headgate against floors: small programs that do the same
// work with the same drivers and batch sizes, without rules and without state.
//
// `make bench` runs each work and its floor in turn and prints a table of targets,
// since only ratios of one run mean anything. HEADGATE_BENCH_ROWS sets the number of
// rows (100000). The machine must be idle: a floor runs on one processor and headgate
// on all of them, so a neighbour takes from the ratio first; the table's last line
// says what neighbours had.
//
// Measured on two EPYC cores, ext4 on a virtual disk, Go 1.26, in ns a row, at the
// best moments of a shared machine:
//
//	into        floor  first  ratio  target  again
//	JSONL         219   2029   9.25      10    968
//	SQLite       3522   5189   1.47     1.8   1142
//	PostgreSQL   8668   9887   1.14     1.5   1132
//
// Delivery to an API (BenchmarkHTTP) is beside a client of as many goroutines that
// writes each order to a file and syncs that before it sends it: one sync an order. What
// headgate keeps is more, the message with all that settles it and then what became of
// it, and it syncs those of about nine orders at once. Both wait for the disk most of
// the time.
//
// BenchmarkMillionHTTP reads from an API page by page, and writes to one in requests of
// a hundred with eight in flight. HEADGATE_BENCH_MOST sets how many rows that are.
//
// 1,000,000 rows take 0.7 (JSONL) and 0.8 (SQLite) times as long a row as 100,000, in
// 81 and 62 MiB of anonymous memory at the most.
//
// A run costs about 3.5 µs of processor a row into JSONL: reading and judging 1.3, the
// state 1.0, writing and its settlement 0.7, the collector 0.3. Two fsyncs of the state
// and one of the destination are beside them, for up to four batches where the disk is
// behind, and are what varies on a busy one: JSONL takes 5.8 times its floor in memory,
// 8.5 to 10 times on a calm disk, and to 13 times on one whose syncs take 1.5 ms.
package bench
