package main

import (
	"context"
	"errors"
	"time"

	"headgate/cmd/headgate/internal/systemd"
	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/state"
	"headgate/rules"
)

// roomEvery is how often a daemon looks at its disks.
const roomEvery = 5 * time.Second

// writableInTime opens the state and the exception log for a daemon. On a full disk it
// waits for room: one that ended would be started again, a few times, and then no more.
func (a *app) writableInTime(ctx context.Context, set *rules.Ruleset) (*state.DB, *exceptions.Log, error) {
	for told := false; ; told = true {
		db, log, err := a.writable(ctx, set)
		if !errors.Is(err, engine.ErrNoRoom) {
			return db, log, err
		}
		if !told {
			a.logger(set).Error("headgate begins when there is room", "error", err)
		}
		if err := systemd.Waiting(err.Error(), 6*roomEvery); err != nil {
			return nil, nil, err
		}
		if err := (clock{}).Sleep(ctx, roomEvery); err != nil {
			return nil, nil, err
		}
	}
}

// hasRoom looks at the disks of the newest ruleset. A ballast that was given up and
// cannot be made again tells of a quota, which the disk itself says nothing of.
func (d *daemon) hasRoom(look func(*room) error) error {
	if err := look(d.app.roomOf(d.engine.Ruleset())); err != nil {
		return err
	}
	if short := d.short.Load(); short != nil {
		return *short
	}
	return nil
}

// keepRoom gives the ballast up when the disk is full, whatever flows do, and makes
// it again when there is room, until ctx ends.
func (d *daemon) keepRoom(ctx context.Context) {
	for told := ""; ; {
		err := d.lookForRoom()
		if err != nil && told == "" {
			told = err.Error()
			d.log.Error("all flows stand still until there is room", "error", err)
			d.alerts.Note(engine.Event{Kind: engine.EventState, Time: time.Now(), Sample: told})
		} else if err == nil && told != "" {
			d.log.Info("the disk of the state has room again")
			d.alerts.Note(engine.Event{Kind: engine.EventRecovered, Time: time.Now(), Sample: told})
			told = ""
		}
		if (clock{}).Sleep(ctx, roomEvery) != nil {
			return
		}
	}
}

func (d *daemon) lookForRoom() error {
	room := d.app.roomOf(d.engine.Ruleset())
	if err := room.begin(); err != nil {
		return err
	}
	err := room.keep()
	if d.short.Store(nil); full(err) {
		d.short.Store(&err)
	}
	return err
}
