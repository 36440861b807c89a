package load

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func at(t testing.TB, zone *time.Location, text string) time.Time {
	t.Helper()
	// An offset chooses between the two times of a doubled hour.
	if parsed, err := time.Parse("2006-01-02 15:04 -07:00", text); err == nil {
		return parsed.In(zone)
	}
	parsed, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestCron shows the times that follow each other. In Berlin the clock leaves out
// 02:00 to 03:00 on 29 March 2026, and has it twice on 25 October.
func TestCron(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line, zone, after string
		want              []string
	}{
		"weekdays":                    {"30 6 * * mon-fri", "Europe/Berlin", "2026-11-26 07:00", []string{"2026-11-27 06:30", "2026-11-30 06:30"}},
		"strictly after":              {"30 6 * * *", "UTC", "2026-11-26 06:30", []string{"2026-11-27 06:30"}},
		"a name":                      {"@monthly", "UTC", "2026-11-26 06:30", []string{"2026-12-01 00:00", "2027-01-01 00:00"}},
		"day of month or week":        {"0 0 13 * fri", "UTC", "2026-11-12 12:00", []string{"2026-11-13 00:00", "2026-11-20 00:00"}},
		"a leap day":                  {"0 0 29 2 *", "UTC", "2026-01-01 00:00", []string{"2028-02-29 00:00", "2032-02-29 00:00"}},
		"a time that is left out":     {"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 03:00", "2026-03-30 02:30"}},
		"several left out come once":  {"0,30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 03:00", "2026-03-30 02:00"}},
		"the first after":             {"0 3 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 03:00", "2026-03-30 03:00"}},
		"each hour, one left out":     {"15 * * * *", "Europe/Berlin", "2026-03-29 01:00", []string{"2026-03-29 01:15", "2026-03-29 03:15"}},
		"a doubled time comes once":   {"30 2 * * *", "Europe/Berlin", "2026-10-25 00:00", []string{"2026-10-25 02:30 +02:00", "2026-10-26 02:30"}},
		"asked in the second hour":    {"30 2 * * *", "Europe/Berlin", "2026-10-25 02:10 +01:00", []string{"2026-10-26 02:30"}},
		"after the doubled hour":      {"0 3 * * *", "Europe/Berlin", "2026-10-25 02:10 +01:00", []string{"2026-10-25 03:00", "2026-10-26 03:00"}},
		"each half hour, in both":     {"*/30 * * * *", "Europe/Berlin", "2026-10-25 02:00 +02:00", []string{"2026-10-25 02:30 +02:00", "2026-10-25 02:00 +01:00", "2026-10-25 02:30 +01:00", "2026-10-25 03:00"}},
		"midnight that is left out":   {"0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", []string{"2018-11-04 01:00", "2018-11-05 00:00"}},
		"a day that is left out":      {"0 12 * * *", "Pacific/Apia", "2011-12-29 13:00", []string{"2011-12-31 00:00", "2011-12-31 12:00"}},
		"half an hour is put forward": {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", []string{"2026-10-04 02:30", "2026-10-05 02:15"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone := zoneOf(t, test.zone)
			s, mistake := parseCron(test.line, zone)
			if mistake != nil {
				t.Fatal(mistake)
			}
			now := at(t, zone, test.after)
			for _, want := range test.want {
				next := s.Next(now)
				if !next.Equal(at(t, zone, want)) {
					t.Fatalf("after %v comes %v, want %s", now, next, want)
				}
				now = next
			}
		})
	}
}

// TestCronAgainstMinutes compares with going through the days of a change minute by
// minute.
func TestCronAgainstMinutes(t *testing.T) {
	t.Parallel()
	changes := []struct {
		zone *time.Location
		from time.Time
	}{
		{zoneOf(t, "Europe/Berlin"), time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)},
		{zoneOf(t, "Europe/Berlin"), time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC)},
		{zoneOf(t, "America/New_York"), time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)},
		{zoneOf(t, "America/Sao_Paulo"), time.Date(2018, 11, 3, 0, 0, 0, 0, time.UTC)},
		{zoneOf(t, "America/Sao_Paulo"), time.Date(2018, 2, 17, 0, 0, 0, 0, time.UTC)},
		{zoneOf(t, "Australia/Lord_Howe"), time.Date(2026, 4, 3, 12, 0, 0, 0, time.UTC)},
		{zoneOf(t, "Pacific/Apia"), time.Date(2011, 12, 29, 0, 0, 0, 0, time.UTC)},
	}
	minutes := []string{"*", "0", "30", "*/20", "59", "1-5"}
	hours := []string{"*", "*/2", "0", "1", "2", "0-3", "1,23"}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		line := rapid.SampledFrom(minutes).Draw(t, "minute") + " " + rapid.SampledFrom(hours).Draw(t, "hour") + " * * *"
		s, mistake := parseCron(line, c.zone)
		if mistake != nil {
			t.Fatal(mistake)
		}
		end := c.from.Add(72 * time.Hour)
		var got []time.Time
		for now := s.Next(c.from); now.Before(end); now = s.Next(now) {
			got = append(got, now)
		}
		want := minuteByMinute(s.(*schedule), c.from, end)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%q in %s:\n got %v\nwant %v", line, c.zone, got, want)
		}
		// From anywhere in between, the next is the same.
		between := c.from.Add(time.Duration(rapid.IntRange(0, 71*60*60).Draw(t, "second")) * time.Second)
		i := slices.IndexFunc(want, func(w time.Time) bool { return w.After(between) })
		if next := s.Next(between); i >= 0 && !next.Equal(want[i]) {
			t.Fatalf("%q in %s: after %v comes %v, want %v", line, c.zone, between, next, want[i])
		}
	})
}

// minuteByMinute is what Next promises, said again in the slow way.
func minuteByMinute(s *schedule, from, end time.Time) []time.Time {
	var all []time.Time
	latest := wall(from.In(s.zone)) // what the clock has shown
	for now := from.Add(time.Minute); now.Before(end); now = now.Add(time.Minute) {
		shown := wall(now.In(s.zone))
		due := s.matches(shown)
		if !s.elapsed {
			due = false
			for w := latest.Add(time.Minute); !w.After(shown); w = w.Add(time.Minute) {
				due = due || s.matches(w)
			}
		}
		if due {
			all = append(all, now)
		}
		if shown.After(latest) {
			latest = shown
		}
	}
	return all
}

func (s *schedule) matches(shown time.Time) bool {
	return s.calendar.Next(shown.Add(-1)).Equal(shown)
}

func FuzzCron(f *testing.F) {
	for _, line := range []string{"* * * * *", "*/5 1-3,7 1 jan sun", "@daily", "TZ=UTC", "* * * * 99999999999999999999", "\u00a00\u20280 * * *"} {
		f.Add(line)
	}
	zone := zoneOf(f, "Europe/Berlin")
	start := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, line string) {
		s, mistake := parseCron(line, zone)
		if mistake != nil {
			if line[mistake.at:mistake.at+len(mistake.part)] != mistake.part {
				t.Errorf("%+v is not in %q", mistake, line)
			}
			return
		}
		for now, i := start, 0; i < 10; i++ {
			next := s.Next(now)
			if next.IsZero() {
				return
			}
			if !next.After(now) {
				t.Fatalf("%q: after %v comes %v", line, now, next)
			}
			now = next
		}
	})
}
