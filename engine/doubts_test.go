package engine_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"headgate/connectors"
	"headgate/connectors/connectortest"
	"headgate/connectors/memory"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
	"headgate/engine/state"
)

// doubtful is a desk with one order in doubt, which the API has or has not.
func doubtful(t *testing.T, api memory.API, stores bool) *desk {
	t.Helper()
	d := newAPI(t, api, rulesetText{})
	d.order("A", 1)
	d.failSend(1, memory.Fault{Status: connectors.Unknown, Stores: stores, Err: errReset})
	d.want("run", d.run(), "1 in_doubt")
	return d
}

// reload makes the API another one, as a changed ruleset does.
func (d *desk) reload(api memory.API) {
	d.sales.API.Find, d.sales.API.Lag, d.sales.API.Window, d.sales.API.Repeat, d.sales.API.Double = api.Find, api.Lag, api.Window, api.Repeat, api.Double
	d.text.flow = map[string]string{"": "create = true", "create = true": "update = true"}[d.text.flow] // its digest is another one now
}

// lastOf is the last line of the exception log about the record with the key.
func (d *desk) lastOf(key string) (last engine.Exception) {
	d.t.Helper()
	for x, err := range exceptions.Read(d.logDir()) {
		if err != nil {
			d.t.Fatal(err)
		}
		if x.Key == key {
			last = x
		}
	}
	return last
}

// TestDoubtAfterAReload: what is in doubt is settled as soon as the ruleset says how,
// without a person: what is there was done, what is not is sent again, the bytes as
// they were kept (R6).
func TestDoubtAfterAReload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after memory.API
		stores        bool
		newer         int // a version that waits behind the one in doubt; 0: none
		sends         int
		sold, open    string
		why           string // the exception was closed, without a person
	}{
		"found":              {apis["none"], apis["find"], true, 0, 1, "A 1 - - -", "", "looked up: erp.orders has it"},
		"absent":             {apis["none"], apis["find"], false, 0, 2, "A 1 - - -", "", "sent again: the bytes that were kept"},
		"found, newer":       {apis["none"], apis["find"], true, 5, 2, "A 5 - - -", "", ""},
		"absent, newer":      {apis["none"], apis["find"], false, 5, 3, "A 5 - - -", "", ""},
		"it may double":      {apis["none"], apis["double"], true, 0, 2, "A 1 - - -\nA 1 - - -", "", "sent again: the bytes that were kept"},
		"a key it never had": {apis["none"], apis["window"], true, 0, 1, "A 1 - - -", "A in_doubt unknown_answer", ""},
		"absolute from now":  {apis["none"], apis["repeat"], true, 0, 1, "A 1 - - -", "A in_doubt unknown_answer", ""},
		"still nothing":      {apis["none"], apis["none"], true, 0, 1, "A 1 - - -", "A in_doubt unknown_answer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := doubtful(t, test.before, test.stores)
			if test.newer > 0 {
				d.orders.Set("no", record.StringValue("A"), "qty", record.IntValue(int64(test.newer)))
				d.want("a newer one", d.run(), "1 held")
			}
			d.clock.move(time.Hour)
			d.reload(test.after)
			d.run()
			d.want("the ERP", d.sold(), test.sold)
			d.want("what waits", d.open(), test.open)
			sends := d.sales.Sends()
			if len(sends) != test.sends {
				t.Fatalf("sent %d times, want %d", len(sends), test.sends)
			}
			if test.newer == 0 && len(sends) > 1 && !bytes.Equal(sends[0].Bytes, sends[1].Bytes) {
				t.Error("other bytes were sent again (R6)")
			}
			if last := d.lastOf("A"); test.open == "" && (last.Closed != "delivered" || last.By != "" || last.Why != test.why) {
				t.Errorf("closed as %q by %q: %q", last.Closed, last.By, last.Why)
			}
			d.want("nothing more", d.run(), "1 unchanged")
			if left := d.unsettled(); left != 0 {
				t.Errorf("%d messages are kept", left)
			}
		})
	}
}

// TestDoubtInALongerWindow: a message that carries a key of idempotency is sent again
// where the ruleset says that the key is known for longer. When it was sent first is
// not reset (R7).
func TestDoubtInALongerWindow(t *testing.T) {
	t.Parallel()
	d := newAPI(t, apis["window"], rulesetText{})
	d.order("A", 1)
	d.loseSend(1, true)
	d.try(engine.RunOptions{})
	d.clock.move(20 * time.Hour)
	d.erpFaults, d.sales.API.Fail = &connectortest.Faults{}, nil
	d.run()
	d.want("what waits", d.open(), "A in_doubt unknown_window")
	d.reload(memory.API{Window: 25 * time.Hour}) // three quarters of it are over, too
	d.run()
	d.want("what waits over a window that is too short", d.open(), "A in_doubt unknown_window")
	d.reload(memory.API{Window: 48 * time.Hour})
	d.run()
	d.want("what waits within the window", d.open(), "")
	d.want("the ERP", d.sold(), "A 1 - - -")
}

// TestDoubtOfSeveral: more than one found stays in doubt, says so, once, and is looked
// up again from time to time: somebody may take one out.
func TestDoubtOfSeveral(t *testing.T) {
	t.Parallel()
	d := doubtful(t, apis["none"], true)
	twin := d.sales.Rows()[0]
	d.sales.Insert(twin...)
	d.clock.move(time.Hour)
	d.reload(apis["find"])
	d.want("looked up", d.run(), "1 unchanged, 1 in_doubt")
	d.want("what waits", d.open(), "A in_doubt several_rows")
	lines := len(d.told("A"))
	d.want("at once", d.run(), "1 unchanged")
	d.clock.move(time.Hour)
	d.want("an hour later", d.run(), "2 unchanged")
	if n := len(d.told("A")); n != lines {
		t.Errorf("told %d times, was told %d times", n, lines)
	}
	d.sales.Remove("no", record.StringValue("A"))
	d.sales.Insert(twin...)
	d.clock.move(time.Hour)
	d.run()
	d.want("what waits of one", d.open(), "")
	d.want("the ERP", d.sold(), "A 1 - - -")
	if n := len(d.sales.Sends()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestDoubtAsksForRetry: a person may have what is in doubt looked up at once.
func TestDoubtAsksForRetry(t *testing.T) {
	t.Parallel()
	d := doubtful(t, apis["none"], true)
	d.sales.API.Find = true
	d.want("nothing changed", d.run(), "1 unchanged")
	var s engine.Summary
	d.with(func(e *engine.Engine, db *state.DB) {
		var err error
		if s, err = e.Retry(t.Context(), "orders", map[string]bool{d.id("A"): true}); err != nil || s.Err != nil {
			t.Fatal(err, s.Err)
		}
		d.verify(db)
	})
	if len(s.Waited) != 1 || s.Waited[0].Outcome != engine.Created || s.Again[engine.Created] != 1 {
		t.Errorf("told %+v", s.Waited)
	}
	d.want("what waits", d.open(), "")
	if n := len(d.sales.Sends()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestPersonBesideLookUp: what a person says while a look-up waits for the system
// holds, and nothing is done twice.
func TestPersonBesideLookUp(t *testing.T) {
	t.Parallel()
	for as, test := range map[engine.Resolution]struct {
		sends int
		sold  string
	}{
		engine.WasApplied: {1, ""}, // they have it under another number
		engine.NotApplied: {2, "A 1 - - -"},
		engine.SendAgain:  {2, "A 1 - - -"},
	} {
		t.Run(string(as), func(t *testing.T) {
			t.Parallel()
			d := doubtful(t, apis["none"], false)
			d.clock.move(time.Hour)
			d.reload(apis["find"])
			d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
				return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
			}}
			if s := d.try(engine.RunOptions{}); s.Err == nil {
				t.Fatal("the ERP is gone, and the run did not fail")
			}
			d.want("what waits", d.open(), "A in_doubt unknown_answer")
			if left := d.unsettled(); left != 1 {
				t.Errorf("%d messages are kept", left)
			}
			if _, err := d.resolve("A", as, "looked there"); err != nil {
				t.Fatal(err)
			}
			d.erpFaults = &connectortest.Faults{}
			d.clock.move(time.Hour)
			d.run()
			d.run()
			d.want("the ERP", d.sold(), test.sold)
			d.want("what waits in the end", d.open(), "")
			if n := len(d.sales.Sends()); n != test.sends {
				t.Errorf("sent %d times, want %d", n, test.sends)
			}
			if last := d.lastOf("A"); as != engine.NotApplied && last.By != "ann" {
				t.Errorf("closed by %q: %q", last.By, last.Why)
			}
		})
	}
}

// TestLookUpOfDoubtWaits: a system that is down ends nothing of what is in doubt: it
// is looked up when it answers again.
func TestLookUpOfDoubtWaits(t *testing.T) {
	t.Parallel()
	d := doubtful(t, apis["none"], true)
	d.clock.move(time.Hour)
	d.reload(apis["find"])
	d.erpFaults = &connectortest.Faults{Fail: func(c connectortest.Call) *connectortest.Fault {
		return &connectortest.Fault{Err: &connectors.Error{Class: connectors.Down, Op: c.Op, Err: errors.New("no route")}}
	}}
	d.try(engine.RunOptions{})
	d.clock.move(time.Hour)
	d.erpFaults = &connectortest.Faults{}
	d.want("run", d.run(), "1 created, 1 unchanged")
	d.want("what waits", d.open(), "")
	if n := len(d.sales.Sends()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestDoubtAnnounced: what is in doubt is kept as a message whose answer is not known
// before it is sent again (R1): a crash behind that waits the lag anew.
func TestDoubtAnnounced(t *testing.T) {
	t.Parallel()
	d := doubtful(t, apis["none"], false)
	d.clock.move(time.Hour)
	d.reload(apis["find"])
	sent := 0
	d.with(func(e *engine.Engine, db *state.DB) {
		d.sales.API.Fail = func(s memory.Send) *memory.Fault {
			sent++
			l, err := db.Ledger("orders", "", "")
			if err != nil {
				t.Error(err)
				return nil
			}
			kept, err := l.Sends("", 10)
			if err != nil || len(kept) != 1 || !bytes.Equal(kept[0].Bytes, s.Bytes) || kept[0].Again {
				t.Errorf("sent before it was kept: %d messages, %v", len(kept), err)
			}
			return nil
		}
		if _, err := e.RunOnce(t.Context(), engine.RunOptions{}); err != nil {
			t.Error(err)
		}
	})
	if sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}
