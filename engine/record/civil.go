package record

import (
	"errors"
	"fmt"
	"time"
)

const secondsPerDay = 24 * 60 * 60

// ErrDate and ErrTime say that a text is no day or no instant headgate can hold:
// years are 1 to 9999.
var (
	ErrDate = errors.New("not a date")
	ErrTime = errors.New("not a time")
)

// DaysOf returns the days from 1970-01-01 to the day of t in its own zone.
func DaysOf(t time.Time) int32 {
	y, m, d := t.Date()
	return int32(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// ParseDate reads YYYY-MM-DD, and also an instant at midnight as some drivers
// write days (2026-11-02 00:00:00, 2026-11-02T00:00:00Z). It allocates nothing.
func ParseDate(text string) (Value, error) {
	days, rest, ok := cutDate(text)
	if !ok || rest != "" && !midnight(rest) {
		return Value{}, fmt.Errorf("%w: %q is not YYYY-MM-DD", ErrDate, clip(text))
	}
	return DateValue(days), nil
}

func midnight(rest string) bool {
	switch rest {
	case " 00:00:00", "T00:00:00", "T00:00:00Z", " 00:00:00Z", "T00:00:00+00:00", " 00:00:00+00:00", " 00:00:00+00":
		return true
	}
	return false
}

// ParseTime reads an instant: RFC 3339, or YYYY-MM-DD[ T]hh:mm[:ss[.fraction]]
// without an offset, which is then taken to be in zone (nil: UTC).
func ParseTime(text string, zone *time.Location) (Value, error) {
	v, ok := parseTime(text, zone)
	if !ok {
		return Value{}, fmt.Errorf("%w: %q is not YYYY-MM-DD hh:mm:ss with or without an offset", ErrTime, clip(text))
	}
	return v, nil
}

func parseTime(text string, zone *time.Location) (Value, bool) {
	days, rest, ok := cutDate(text)
	if !ok || len(rest) < 6 || rest[0] != ' ' && rest[0] != 'T' || rest[3] != ':' {
		return Value{}, false
	}
	hour, ok1 := digits(rest[1:3])
	minute, ok2 := digits(rest[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return Value{}, false
	}
	rest = rest[6:]
	second, nanos := 0, 0
	if len(rest) >= 3 && rest[0] == ':' {
		var ok bool
		if second, ok = digits(rest[1:3]); !ok || second > 59 {
			return Value{}, false
		}
		if nanos, rest, ok = cutFraction(rest[3:]); !ok {
			return Value{}, false
		}
	}
	seconds := int64(days)*secondsPerDay + int64(hour*3600+minute*60+second)
	if rest != "" {
		offset, ok := parseOffset(rest)
		return Value{kind: Time, num: seconds - int64(offset), scale: int32(nanos)}, ok
	}
	if zone != nil && zone != time.UTC {
		wall := time.Unix(seconds, 0).UTC()
		y, mo, d := wall.Date()
		seconds = time.Date(y, mo, d, hour, minute, second, 0, zone).Unix()
	}
	return Value{kind: Time, num: seconds, scale: int32(nanos)}, true
}

func cutFraction(s string) (nanos int, rest string, ok bool) {
	if s == "" || s[0] != '.' && s[0] != ',' {
		return 0, s, true
	}
	i, unit := 1, 100_000_000
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * unit
		unit /= 10
	}
	return nanos, s[i:], i > 1 && i <= 10
}

// parseOffset reads Z, +hh, +hhmm or +hh:mm, with an optional space before, in seconds.
func parseOffset(s string) (seconds int, ok bool) {
	if len(s) > 1 && s[0] == ' ' {
		s = s[1:]
	}
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) == 3 {
		s += "00"
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, ok1 := digits(s[1:3])
	minutes, ok2 := digits(s[3:5])
	seconds = hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, ok1 && ok2 && hours <= 15 && minutes <= 59
}

func cutDate(s string) (days int32, rest string, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, "", false
	}
	century, ok1 := digits(s[0:2])
	year, ok2 := digits(s[2:4])
	month, ok3 := digits(s[5:7])
	day, ok4 := digits(s[8:10])
	year += century * 100
	if !ok1 || !ok2 || !ok3 || !ok4 || year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, "", false
	}
	return civilDays(year, month, day), s[10:], true
}

func digits(s string) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civilDays counts the days from 1970-01-01 in the proleptic Gregorian calendar,
// counting years from March so that the leap day is the last of its year.
func civilDays(year, month, day int) int32 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return int32(era*146097 + dayOfEra - 719468)
}

func appendDate(dst []byte, days int32) []byte {
	return time.Unix(int64(days)*secondsPerDay, 0).UTC().AppendFormat(dst, "2006-01-02")
}
