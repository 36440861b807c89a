// Package bench measures headgate against floors: small programs that do the same
// work with the same drivers and batch sizes, without rules and without state.
//
// `make bench` runs both in turn and prints a table of targets, since only ratios of
// one run mean anything on a noisy machine. HEADGATE_BENCH_ROWS sets the number of rows (100000).
package bench
