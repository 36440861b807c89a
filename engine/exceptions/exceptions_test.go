package exceptions_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"headgate/engine"
	"headgate/engine/exceptions"
	"headgate/engine/record"
)

func exception(id, closed string) engine.Exception {
	return engine.Exception{
		ID: id, Time: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), Flow: "orders", Entity: "order", Key: "A-1",
		Outcome: engine.Rejected, Reason: record.Reason{Stage: record.StageRule, Code: "rule", Rule: "one", Message: "no"}, Ruleset: "d", Closed: closed,
	}
}

func appendTo(t *testing.T, dir string, all ...engine.Exception) {
	t.Helper()
	log, err := exceptions.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(all); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func ids(t *testing.T, dir string) string {
	t.Helper()
	open, damaged, err := exceptions.Current(dir)
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	var all []string
	for _, x := range open {
		all = append(all, x.ID)
	}
	return strings.Join(all, " ")
}

// TestFolding: a later line with the same id changes or closes an exception.
func TestFolding(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	appendTo(t, dir, exception("a", ""), exception("b", ""), exception("a", ""))
	appendTo(t, dir, exception("c", ""), exception("b", "delivered"))
	if got := ids(t, dir); got != "a c" {
		t.Errorf("open: %s", got)
	}
	appendTo(t, dir, exception("b", ""))
	if got := ids(t, dir); got != "a c b" {
		t.Errorf("open: %s", got)
	}
	if got := ids(t, filepath.Join(dir, "nowhere")); got != "" {
		t.Errorf("open: %s", got)
	}
}

// TestTornTail: whatever a crash leaves of the last line is cut off and kept beside,
// and the lines before it stay.
func TestTornTail(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	appendTo(t, whole, exception("a", ""), exception("b", ""))
	content, err := os.ReadFile(filepath.Join(whole, "exceptions.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(content, '\n') + 1
	for cut := first; cut < len(content); cut += 7 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "exceptions.jsonl"), content[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		appendTo(t, dir, exception("c", ""))
		if got := ids(t, dir); got != "a c" {
			t.Fatalf("cut at %d: open %s", cut, got)
		}
		torn, err := filepath.Glob(filepath.Join(dir, "*.torn"))
		if err != nil || (len(torn) == 1) != (cut > first) {
			t.Fatalf("cut at %d: torn %v, %v", cut, torn, err)
		}
	}
}

// TestDamagedLine: a damaged line is named and passed over.
func TestDamagedLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	appendTo(t, dir, exception("a", ""))
	f, err := os.OpenFile(filepath.Join(dir, "exceptions.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("nonsense\n{\"id\":\"\"}\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	appendTo(t, dir, exception("b", ""))
	open, damaged, err := exceptions.Current(dir)
	if err != nil || len(open) != 2 || len(damaged) != 2 {
		t.Fatalf("%v, %v, %v", open, damaged, err)
	}
	e, ok := errors.AsType[*exceptions.LineError](damaged[0])
	if !ok || e.Line != 2 || e.File != "exceptions.jsonl" {
		t.Error(damaged[0])
	}
}

// TestRotation: the log is rotated by size, and read as one.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, err := exceptions.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	log.MaxSize = 1000
	var want []string
	for i := range 20 {
		id := fmt.Sprintf("x%02d", i)
		want = append(want, id)
		if err := log.Append([]engine.Exception{exception(id, "")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if rotated, _ := filepath.Glob(filepath.Join(dir, "exceptions-0*.jsonl")); len(rotated) < 3 {
		t.Errorf("rotated %v", rotated)
	}
	if got := ids(t, dir); got != strings.Join(want, " ") {
		t.Errorf("open: %s", got)
	}
}

// TestRotationAfterRemoval: files that were taken away do not make a later one take
// the name, and the place, of one that is still there.
func TestRotationAfterRemoval(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a[b")
	log, err := exceptions.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	log.MaxSize = 1
	for i := range 4 {
		if err := log.Append([]engine.Exception{exception(fmt.Sprint(i), "")}); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			if err := os.Remove(filepath.Join(dir, "exceptions-000001.jsonl")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, dir); got != "1 2 3" {
		t.Errorf("the log has %s", got)
	}
}

// TestHistory: all lines of one exception, found by the beginning of its id.
func TestHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	appendTo(t, dir, exception("abc", ""), exception("abd", ""), exception("abc", "delivered"), exception("xyz", ""))
	all, err := exceptions.History(dir, "ab")
	if err != nil || len(all) != 2 || len(all["abc"]) != 2 || all["abc"][1].Closed != "delivered" || len(all["abd"]) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err = exceptions.History(filepath.Join(dir, "none"), ""); err != nil || len(all) != 0 {
		t.Errorf("no log: %v, %v", all, err)
	}
}

// TestFailedLog: after a failed write nobody knows what is on disk, and the log
// takes no more.
func TestFailedLog(t *testing.T) {
	t.Parallel()
	log, err := exceptions.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := log.Append([]engine.Exception{exception("a", "")}); !errors.Is(err, engine.ErrStateUncertain) {
			t.Errorf("%v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exceptions.Open(filepath.Join(file, "log")); err == nil {
		t.Error("a log below a file")
	}
	for _, err := range exceptions.Read(filepath.Join(file, "log")) {
		if err == nil {
			t.Error("a line of no log")
		}
	}
}

// TestHostileText: what a terminal would act on is escaped in the file.
func TestHostileText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := exception("a", "")
	x.Key = "\u009b31m\u202e\x7f\x1b"
	appendTo(t, dir, x)
	content, err := os.ReadFile(filepath.Join(dir, "exceptions.jsonl"))
	if err != nil || strings.ContainsAny(string(content), "\u009b\u202e\x7f\x1b") {
		t.Errorf("%q, %v", content, err)
	}
	open, _, err := exceptions.Current(dir)
	if err != nil || open[0].Key != x.Key {
		t.Errorf("%+v, %v", open, err)
	}
}

// TestSchema: the published schema names every field of a line, and no other.
func TestSchema(t *testing.T) {
	t.Parallel()
	var schema struct {
		Required   []string
		Properties map[string]any
	}
	if err := json.Unmarshal(exceptions.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeFor[engine.Exception]()
	required := make(map[string]bool)
	for _, name := range schema.Required {
		required[name] = true
	}
	for i := range fields.NumField() {
		name, options, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if _, ok := schema.Properties[name]; !ok {
			t.Errorf("the schema lacks %q", name)
		}
		if required[name] == strings.Contains(options, "omitempty") {
			t.Errorf("%q: required is %v", name, required[name])
		}
		delete(schema.Properties, name)
	}
	for name := range schema.Properties {
		t.Errorf("the schema has %q, and no line has it", name)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte("{\"id\":\"a\"}\n"))
	f.Add([]byte("{\"id\":\"a\",\"outcome\":\"rejected\"}\n\n{\"id\":\"a\",\"closed\":\"delivered\"}\n{"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "exceptions.jsonl"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		before, _, err := exceptions.Current(dir)
		if err != nil {
			t.Fatal(err)
		}
		log, err := exceptions.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(log.Append([]engine.Exception{exception("z", "")}), log.Close()); err != nil {
			t.Fatal(err)
		}
		if after, _, err := exceptions.Current(dir); err != nil || len(after) < len(before) {
			t.Fatalf("%d open before, %d after, %v", len(before), len(after), err)
		}
	})
}
