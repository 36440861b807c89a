// Package simulation proves the engine against worlds that fail. It has no code of its
// own: its tests run the real engine over connectors, a state and an exception log that
// live in memory and forget, at a crash, what was not made durable.
//
// A run of the simulation is a function of its seed: one goroutine at a time goes on,
// which one is drawn, time passes when all of them wait, and what fails is drawn too.
// An independent model says in the end what each destination must hold: a table, a tape
// that is appended to, a register to which each item is added once, an API.
//
// The loop of faults goes the other way about it: it lets one call fail, the first, the
// second, and so on, until a whole run needs no more calls than that. Of a flow into an
// API that cannot repeat each call fails in each way there is, the process's death too.
package simulation
