package load

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/robfig/cron/v3"

	"headgate/rules"
)

// cronFields are the five fields of a crontab line, with a hint for each.
var cronFields = []struct{ name, hint string }{
	{"minute", "0 to 59"},
	{"hour", "0 to 23"},
	{"day of the month", "1 to 31"},
	{"month", "1 to 12, or jan to dec"},
	{"day of the week", "0 to 6 from Sunday, or sun to sat"},
}

// cronNames are the words that stand for a line.
var cronNames = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

const cronHint = `write five fields: minute hour day month weekday, as "30 6 * * mon-fri"; or @hourly, @daily, @weekly, @monthly, @yearly`

// schedule reads the cron line of a flow; nil: there is none, or it is wrong.
func (b *block) schedule(name string, zone *time.Location) (string, rules.Schedule) {
	text, r, ok := b.text(name)
	if !ok {
		return "", nil
	}
	s, mistake := parseCron(text, zone)
	if mistake == nil {
		return text, s
	}
	from, to := r.Start.Byte, r.End.Byte
	if mistake.part != "" {
		at := utf8.RuneCountInString(text[:mistake.at])
		from, to = b.l.place(r, text, at, at+utf8.RuneCountInString(mistake.part))
	}
	b.l.at(Error, "cron", r.Filename, from, to, b.name, mistake.summary, mistake.hint)
	return text, nil
}

// cronMistake is what is wrong with a cron line; part "" is all of it.
type cronMistake struct {
	at            int // byte offset of part
	part          string
	summary, hint string
}

var words = regexp.MustCompile(`\S+`)

// parseCron reads a line of five fields. The library is asked for one field at a
// time, so that a mistake has its place, and only ever in UTC: see schedule.Next.
func parseCron(text string, zone *time.Location) (rules.Schedule, *cronMistake) {
	line, named := cronNames[strings.TrimSpace(text)]
	if !named {
		line = text
	}
	fields := words.FindAllStringIndex(line, -1)
	if len(fields) > 0 && strings.Contains(line[:fields[0][1]], "=") {
		return nil, &cronMistake{at: fields[0][0], part: line[fields[0][0]:fields[0][1]], summary: "a cron line names no time zone", hint: "it is that of headgate { zone = … }"}
	}
	if strings.HasPrefix(line, "@every") {
		return nil, &cronMistake{summary: "a cron line says when, not how often", hint: `write every = "15m" instead of cron`}
	}
	if len(fields) != len(cronFields) {
		return nil, &cronMistake{summary: fmt.Sprintf("a cron line has five fields, not %d", len(fields)), hint: cronHint}
	}
	for i, f := range fields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = line[f[0]:f[1]]
		if _, err := cronLine(alone); err != nil {
			return nil, &cronMistake{at: f[0], part: alone[i], summary: fmt.Sprintf("%q is no %s", alone[i], cronFields[i].name), hint: cronFields[i].hint + "; also *, a-b, a,b and */n"}
		}
	}
	calendar, err := cronLine(strings.Fields(line))
	if err != nil {
		return nil, &cronMistake{summary: err.Error(), hint: cronHint}
	}
	s := &schedule{calendar: calendar, zone: zone, elapsed: line[fields[1][0]] == '*'}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, &cronMistake{summary: "this day never comes", hint: "no month has it"}
	}
	return s, nil
}

func cronLine(fields []string) (*cron.SpecSchedule, error) {
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	s, err := parser.Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, err
	}
	spec, ok := s.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("not a line of five fields")
	}
	spec.Location = time.UTC
	return spec, nil
}

// schedule is a cron line in a time zone. The calendar knows no zone: it is asked
// with what the clock on the wall shows, and Next alone decides what that means
// where the clock is put forward or back.
type schedule struct {
	calendar *cron.SpecSchedule
	zone     *time.Location
	elapsed  bool // the hour begins with *: so many minutes apart, whatever the clock shows
}

// Next returns the first time of the line after t, or the zero time when there is
// none in the next years.
//
// A line that names its hours has each time of a day once: one in the hour that the
// clock leaves out comes at the moment it is put forward, one in the hour that comes
// twice comes the first time only. A line whose hour begins with * goes by the time
// that passes: it leaves out what the clock leaves out, and comes in both hours.
func (s *schedule) Next(t time.Time) time.Time {
	t = t.In(s.zone)
	start, end := t.ZoneBounds()
	from := wall(t)
	for {
		if before := wallBefore(start, s.zone); !s.elapsed && from.Before(before) {
			from = before.Add(-1) // what came before the clock was put back
		}
		next := s.calendar.Next(from)
		if next.IsZero() {
			return next
		}
		_, offset := t.Zone()
		at := next.Add(-time.Duration(offset) * time.Second).In(s.zone)
		if end.IsZero() || at.Before(end) {
			return at
		}
		t = end
		if !s.elapsed && next.Before(wall(t)) {
			return t // left out
		}
		from = wall(t).Add(-1)
		start, end = t.ZoneBounds()
	}
}

// wall is what a clock on the wall shows at t, as if it stood in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// wallBefore is what the clock showed when it was put forward or back at start.
func wallBefore(start time.Time, zone *time.Location) time.Time {
	if start.IsZero() {
		return time.Time{}
	}
	return wall(start.Add(-1).In(zone)).Add(1)
}
