package watch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadStable(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for name, test := range map[string]struct {
		readings []string // what each gives; "" fails
		want     string
		err      error
		after    time.Duration
	}{
		"at rest":               {readings: []string{"whole", "whole"}, want: "whole", after: 100 * time.Millisecond},
		"half written":          {readings: []string{"wh", "whole", "whole"}, want: "whole", after: 200 * time.Millisecond},
		"gone for a moment":     {readings: []string{"", "whole", "whole"}, want: "whole", after: 200 * time.Millisecond},
		"gone in between":       {readings: []string{"old", "", "new", "new"}, want: "new", after: 300 * time.Millisecond},
		"gone":                  {readings: []string{"", ""}, err: gone, after: 100 * time.Millisecond},
		"goes while it is read": {readings: []string{"old", "", ""}, err: gone, after: 200 * time.Millisecond},
		"never at rest":         {readings: []string{"a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "a", "b"}, err: ErrChanging, after: 1900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				next := 0
				got, err := ReadStable(t.Context(), 0, func() (string, error) {
					text := test.readings[next]
					if next++; text == "" {
						return "", gone
					}
					return text, nil
				}, func(a, b string) bool { return a == b })
				if got != test.want || !errors.Is(err, test.err) || time.Since(start) != test.after || next != len(test.readings) {
					t.Errorf("%q, %v after %v and %d readings", got, err, time.Since(start), next)
				}
			})
		})
	}
}

func TestReadStableEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := ReadStable(ctx, time.Hour, func() (int, error) { cancel(); return 1, nil }, func(a, b int) bool { return a == b })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
