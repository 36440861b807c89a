// Command orders-to-api shows headgate at two APIs that misbehave: they answer with an
// error after they have stored an order, break the line, and ask to be left alone. It
// builds headgate, starts both on loopback, runs the commands an operator would, and
// counts in the end: each order is there exactly once.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"headgate/connectors/http/shopapi"
)

//go:embed rules shop
var systems embed.FS

// step is one thing somebody does, and what it shows.
type step struct {
	why  string
	args []string // of headgate; "@A-1003" is the exception of that order

	// Instead of a command: what is done, as a person would write it, and how.
	line string
	do   func(*stage) error
}

var steps = []step{
	{why: "What would be sent? A plan asks and writes nothing.", args: []string{"plan", "orders", "--limit", "2"}},
	{why: "Send them. The ERP fails after it has stored A-1002, breaks the line at A-1004, and asks for a second of rest.", args: []string{"run", "--once", "orders"}},
	{why: "Each unknown answer was settled by asking the ERP for the reference.", args: []string{"trace", "order", "A-1002"}},
	{why: "The carrier fails twice, once after and once before it has stored an order, and nobody can ask it.", args: []string{"run", "--once", "parcels"}},
	{why: "Two orders are in doubt; the others went on.", args: []string{"exceptions", "list", "--flow", "parcels"}},
	{why: "What was sent, to the letter, and what is to be done.", args: []string{"exceptions", "show", "@A-1003"}},
	{
		why: "A person looks into the carrier's portal,", line: "firefox https://carrier.example/parcels?q=A-1003",
		do: func(s *stage) error { return s.carrier.show(s.out, "A-1003") },
	},
	{why: "finds it there, and says so.", args: []string{"exceptions", "resolve", "@A-1003", "--applied", "--why", "seen in their portal"}},
	{
		why: "The other one", line: "firefox https://carrier.example/parcels?q=A-1005",
		do: func(s *stage) error { return s.carrier.show(s.out, "A-1005") },
	},
	{why: "is not there.", args: []string{"exceptions", "resolve", "@A-1005", "--not-applied", "--why", "not in their portal"}},
	{why: "So it is sent with the next run, and nothing else is sent again.", args: []string{"run", "--once"}},
	{why: "Who said what is kept.", args: []string{"trace", "order", "A-1005"}},
	{why: "What was read is what was settled.", args: []string{"verify"}},
	{
		why: "And at the other end: each order exactly once.", line: "wc -l",
		do: func(s *stage) error {
			return errors.Join(s.erp.count(s.out, "ERP"), s.carrier.count(s.out, "carrier"))
		},
	},
}

func main() {
	dir, err := os.MkdirTemp("", "orders-to-api")
	if err == nil {
		err = errors.Join(demo(context.Background(), dir, os.Stdout), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// demo plays all steps in dir.
func demo(ctx context.Context, dir string, out io.Writer) error {
	erp, err := serve("127.0.0.1:8471", map[int64]shopapi.Fault{2: shopapi.FailAfter, 4: shopapi.ResetAfter, 6: shopapi.TooMany})
	if err != nil {
		return err
	}
	defer func() { _ = erp.listener.Close() }()
	carrier, err := serve("127.0.0.1:8472", map[int64]shopapi.Fault{3: shopapi.FailAfter, 5: shopapi.FailBefore})
	if err != nil {
		return err
	}
	defer func() { _ = carrier.listener.Close() }()
	s := &stage{ctx: ctx, dir: dir, binary: filepath.Join(dir, "headgate"), out: out, erp: erp, carrier: carrier}
	if err := s.setUp(); err != nil {
		return err
	}
	for _, step := range steps {
		if err := s.play(&step); err != nil {
			return fmt.Errorf("%s: %w", step.why, err)
		}
	}
	return nil
}
