package control

import (
	"fmt"
	"strings"

	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
)

// Waiting tells which exceptions of the log in dir wait for a person. The state says
// which they are, the log what they say: of a batch that a crash cut off, the log may
// hold what the state never came to know.
func Waiting(s engine.State, dir string) (waiting []exceptions.State, damaged []error, err error) {
	names, err := s.Ledgers()
	if err != nil {
		return nil, nil, fmt.Errorf("list the ledgers: %w", err)
	}
	ids, flows := make(map[string]bool), make(map[string]string)
	for _, name := range names {
		own := make(map[string]bool)
		l, err := s.Ledger(name, "", "")
		if err == nil {
			err = openIDs(l, own)
		}
		for id := range own {
			ids[id], flows[id] = true, strings.TrimSuffix(name, engine.ObserveSuffix)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read what waits of ledger %s: %w", name, err)
		}
	}
	waiting, damaged, err = exceptions.Waiting(dir, ids)
	for i := range waiting {
		waiting[i].Flow = flows[waiting[i].ID] // it may have been renamed since
	}
	return waiting, damaged, err
}

// openIDs adds the ids of the exceptions of the records that are open in a ledger.
func openIDs(l engine.Ledger, ids map[string]bool) error {
	for after := record.Key(""); ; {
		page, err := l.Opens(after, openPage)
		if err != nil {
			return err
		}
		for i := range page {
			ids[page[i].Exception] = true
			after = page[i].Key
		}
		if len(page) < openPage {
			return nil
		}
	}
}
