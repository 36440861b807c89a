// Package control is what operators may ask of headgate: one service with two
// doors. A daemon serves it on a unix socket; where none runs, a command calls it
// in its own process, over the state itself. Both go through the same requests and
// answers, so that an operator sees the same either way.
//
// It reads no ruleset from disk and prints nothing: files come with a request, and
// what a terminal shows is the command's.
package control
