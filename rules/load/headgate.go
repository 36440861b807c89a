package load

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"headgate/connectors"
	"headgate/rules"
)

// The defaults of the headgate block, and what is too little or too much of anything.
const (
	defaultPoll    = 30 * time.Second
	defaultBallast = 16 << 20
	leastBallast   = 1 << 20
	mostBallast    = 16 << 30
	mostBackups    = 1000
	leastKept      = time.Hour
	day            = 24 * time.Hour
)

var defaultBackup = rules.Backup{Every: time.Hour, Keep: 6}

func (l *loader) settingsBlock() {
	l.ruleset.Settings = rules.Settings{Log: rules.LogSettings{Level: "info"}, Zone: time.UTC, Poll: defaultPoll, Backup: defaultBackup, Ballast: defaultBallast}
	all := l.top["headgate"]
	if len(all) == 0 {
		return
	}
	for _, more := range all[1:] {
		more.fail(more.head, "twice", "there is more than one headgate block", "keep one")
	}
	b, s := all[0], &l.ruleset.Settings
	s.State = b.directory("state", "leave it out for /var/lib/headgate")
	if zone := b.zone("zone"); zone != nil {
		s.Zone = zone
	}
	if log := b.one("log"); log != nil {
		log.logSettings(&s.Log)
	}
	if retain := b.one("retain"); retain != nil {
		const hint = `write "90d", for example, or leave it out to keep all for ever`
		s.Retain = rules.Retain{Journal: retain.span("journal", 0, leastKept, 0, hint), Exceptions: retain.span("exceptions", 0, leastKept, 0, hint)}
		retain.done()
	}
	s.Ballast = b.ballast()
	if backup := b.one("backup"); backup != nil {
		s.Backup = backup.backup()
	}
	if reload := b.one("reload"); reload != nil {
		s.Poll = reload.span("poll", defaultPoll, time.Second, day, `write "30s", or leave it out: a save is seen at once, and this is for what is not`)
		reload.done()
	}
	b.done()
}

func (b *block) logSettings(log *rules.LogSettings) {
	if w, ok := b.word("level", "debug", "info", "warn", "error"); ok {
		log.Level = w
	}
	if w, ok := b.word("format", "text", "json"); ok {
		log.Format = w
	}
	b.done()
}

func (b *block) ballast() int64 {
	n := b.size("ballast", defaultBallast)
	switch {
	case n < leastBallast:
		b.fail(b.attr("ballast").Range(), "range", "a ballast of less than 1 MiB helps nobody", `write "16MiB", or leave it out`)
	case n > mostBallast:
		b.fail(b.attr("ballast").Range(), "range", "a ballast of more than 16 GiB is too much: four times as much has to be free before each batch", `write "16MiB", or leave it out`)
	}
	return n
}

func (b *block) backup() rules.Backup {
	plan := rules.Backup{
		Every: b.span("every", defaultBackup.Every, time.Minute, 31*day, `write "1h", or leave it out`),
		Keep:  b.whole("keep", defaultBackup.Keep, 1),
		Dir:   b.directory("dir", "leave it out for the directory `backups` in that of the state"),
	}
	if plan.Keep > mostBackups {
		b.fail(b.attr("keep").Range(), "range", fmt.Sprintf("%d backups are too many: each is a whole copy of the state", plan.Keep), fmt.Sprintf("keep %d at most", mostBackups))
	}
	b.done()
	return plan
}

// own is a directory of headgate's own, and where the ruleset names it.
type own struct {
	name, path string
	block      *block
	at         hcl.Range
}

// directory reads the name of a directory of headgate's own.
func (b *block) directory(name, hint string) string {
	s, at, ok := b.text(name)
	switch {
	case !ok:
	case strings.TrimSpace(s) == "":
		b.fail(at, "directory", name+" names no directory", hint)
	default:
		b.l.owned = append(b.l.owned, own{name, b.l.located(s), b, at})
	}
	return s
}

// span reads a duration that must not be shorter than least nor, where there is a most,
// longer than that.
func (b *block) span(name string, otherwise, least, most time.Duration, hint string) time.Duration {
	d := b.duration(name, otherwise)
	e := b.attr(name)
	switch {
	case e == nil || b.l.wrongIn(e.Range()):
	case d < least:
		b.fail(e.Range(), "range", fmt.Sprintf("%s must be at least %s", name, shortly(least)), hint)
	case most > 0 && d > most:
		b.fail(e.Range(), "range", fmt.Sprintf("%s must be at most %s", name, shortly(most)), hint)
	}
	return d
}

// shortly writes a duration as it is written in a ruleset.
func shortly(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := strings.TrimSuffix(d.String(), "0s")
	return strings.TrimSuffix(s, "0m")
}

// apart keeps headgate's own files from lying among those of others: a source would
// take them for records, and a look at the rules for a change of them.
func (l *loader) apart() {
	state := ""
	for _, o := range l.owned {
		switch from := l.placed(o.path); {
		case o.path == l.located(""):
			o.block.fail(o.at, "directory", "this is the directory of the rules: all that is written there would look like a change of them", "take another, or one in it")
		case from != "":
			o.block.fail(o.at, "directory", fmt.Sprintf("connector %q has this directory: headgate's own files would lie among its", from), "take another")
		case o.name == "state":
			state = o.path
		case state != "" && within(o.path, state) && o.path != filepath.Join(state, "backups"):
			o.block.fail(o.at, "directory", "the directory of the state is headgate's own: only `backups` in it is for backups", "leave it out, or take one on another disk")
		}
	}
}

// placed returns the name of the connector that lives in a directory, "" where none does.
func (l *loader) placed(path string) string {
	for _, c := range l.ruleset.Connectors {
		if p, ok := c.Settings.(connectors.Placed); ok && p.Directory() != "" && l.located(p.Directory()) == path {
			return c.Name
		}
	}
	return ""
}

// located is the whole path of a directory that the ruleset names.
func (l *loader) located(dir string) string {
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	path, err := filepath.Abs(filepath.Join(l.ruleset.Dir, dir))
	if err != nil { // the working directory is gone: they can still be compared
		return filepath.Join(l.ruleset.Dir, dir)
	}
	return path
}

// within reports whether a path is a directory or in it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
