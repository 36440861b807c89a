package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"headgate/connectors/postgres/pgtest"
	"headgate/engine/control"
	"headgate/engine/state"
)

// Each secret and each sensitive value of TestCanaries begins like this and goes on
// with a name of its own.
const canary = "CANARY"

// cage is an operator who keeps everything headgate ever says.
type cage struct {
	*operator
	said map[string][]byte // by what was asked
}

// hear runs headgate, keeps what it prints, and does not mind how it leaves.
func (c *cage) hear(args ...string) string {
	c.Helper()
	out, err := c.command(args...).CombinedOutput()
	if code := exitCode(err); code < 0 {
		c.Fatalf("headgate %s: %v", strings.Join(args, " "), err)
	}
	c.said[strings.Join(args, " ")] = out
	return string(out)
}

// raw keeps what the socket answers, whole.
func (c *cage) raw(verb string, request any) {
	c.Helper()
	door, err := control.Connect(context.Background(), c.path("state/headgate.sock"))
	c.must(err)
	var answer json.RawMessage
	err = door.Ask(context.Background(), verb, request, &answer)
	c.said["socket: "+verb] = append(fmt.Appendf(nil, "%v\n", err), answer...)
	c.must(door.Close())
}

// keep keeps every file below a directory, save those named.
func (c *cage) keep(dir string, but ...string) {
	c.Helper()
	c.must(filepath.WalkDir(c.path(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, name := range but {
			if d.Name() == name {
				return nil
			}
		}
		if _, backup := state.BackupTime(path); backup && slices.Contains(but, state.FileName) {
			return nil // it has what the state has
		}
		text, err := os.ReadFile(path)
		c.said[path] = text
		return err
	}))
}

// escaped are the canaries in what was said, in any of the forms they might have.
func (c *cage) escaped(canaries ...string) (all []string) {
	for what, text := range c.said {
		for _, name := range canaries {
			if at := sight(text, name); at >= 0 {
				all = append(all, fmt.Sprintf("%s is in %s: …%q…", name, what, text[max(at-80, 0):min(at+80, len(text))]))
			}
		}
	}
	return all
}

// sight is where text has a name, as it is, in other cases, in hex or in base64, or -1.
func sight(text []byte, name string) int {
	lower := bytes.ToLower(text)
	for _, form := range []string{strings.ToLower(name), hex.EncodeToString([]byte(name))} {
		if at := bytes.Index(lower, []byte(form)); at >= 0 {
			return at
		}
	}
	for before := range 3 { // how many bytes of a group of three are something else
		form := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("-", before) + name))
		if at := bytes.Index(text, []byte(form[(4*before+2)/3:(before+len(name))*4/3])); at >= 0 {
			return at
		}
	}
	return -1
}

// echo is an API that says back all it was told, in each way to fail.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	status := http.StatusCreated
	for name, failed := range map[string]int{"refused": http.StatusUnprocessableEntity, "doubt": http.StatusInternalServerError, "moved": http.StatusFound, "reset": 0} {
		if bytes.Contains(body, []byte(name)) {
			status = failed
		}
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	told := fmt.Sprintf("%s said %s to %s, %v", r.Header.Get("Authorization"), body, r.URL, r.Header)
	w.Header().Set("Location", "/"+r.URL.RawQuery)
	w.Header().Set("X-Echo", r.URL.RawQuery)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"id": 7, "error": told})
}

// TestCanaries runs headgate through many failures, as a daemon and by hand, and looks
// for its secrets and for sensitive values in everything it wrote and said (promise 10).
// Only an open record's kept row, in the state itself, may have them.
func TestCanaries(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	server.Exec(t,
		`CREATE TABLE people (no text PRIMARY KEY, pin text UNIQUE CHECK (pin NOT LIKE '%forbidden%'), age smallint)`,
		`CREATE TABLE stuck (no text PRIMARY KEY, pin text, age int)`,
		`CREATE TABLE cards (number text PRIMARY KEY, credit int)`,
		`INSERT INTO people VALUES ('taken', 'CANARY-taken', 40), ('other', 'CANARY-before', 40)`,
		`INSERT INTO cards VALUES ('CANARY-card1', 5), ('CANARY-card2', -5), ('CANARY-card3', 7), ('CANARY-doubt', 8)`,
		`CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.no = 'told' THEN RAISE EXCEPTION 'no % here', NEW.pin; END IF;
			IF NEW.no = 'stuck' THEN RAISE EXCEPTION 'no % today', NEW.pin USING ERRCODE = '55000'; END IF;
			RETURN NEW; END $$`,
		`CREATE TRIGGER told BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION tell()`,
		`CREATE TRIGGER told BEFORE INSERT ON stuck FOR EACH ROW EXECUTE FUNCTION tell()`,
	)
	c := &cage{&operator{TB: t, dir: t.TempDir()}, make(map[string][]byte)}
	c.env = []string{
		"ERP_DSN=" + server.DSN() + " password=CANARY-erp",
		"GARBLED_DSN=host=x port=CANARY-garbled",
		"CREDENTIALS_DIRECTORY=" + c.path("credentials"),
		"CRM_TOKEN=CANARY-bearer",
		"HOOK=http://127.0.0.1:1/CANARY-hook?token=CANARY-token",
	}
	c.copy("testdata/canaries/people.hcl")
	rules, err := os.ReadFile(c.path("rules/people.hcl"))
	c.must(err)
	crm := httptest.NewServer(http.HandlerFunc(echo))
	defer crm.Close()
	rules = bytes.ReplaceAll(rules, []byte("/run/secrets"), []byte(c.dir))
	c.write("rules/people.hcl", bytes.ReplaceAll(rules, []byte("crm.invalid"), []byte(crm.Listener.Addr().String())))
	c.write("in/clients.csv", []byte("no,pin,age\nfine,CANARY-http1 a@b/ü,41\nrefused,CANARY-http2 a@b/ü,42\ndoubt,CANARY-http3 a@b/ü,43\nmoved,CANARY-http4 a@b/ü,44\nreset,CANARY-http5 a@b/ü,45\n"))
	c.write("in/teams.jsonl", []byte(`{"no": "refused", "members": [{"seat": "x1", "pin": "CANARY-seat1"}, {"seat": "x2", "pin": "CANARY-seat2"}]}
{"no": "doubt", "members": [{"seat": "x3", "pin": "CANARY-seat3"}]}
`))
	c.write("tell", []byte("#!/bin/sh\ncat >> ../told.jsonl\n"))
	c.must(os.Chmod(c.path("tell"), 0o755))
	c.write("password", []byte("CANARY-file\n"))
	c.write("credentials/denied", fmt.Appendf(nil, "host=%s user=nobody-there dbname=postgres password=CANARY-credential", server.Dir))
	c.must(os.Chmod(c.path("password"), 0o600))
	c.must(os.Chmod(c.path("credentials/denied"), 0o600))
	c.write("in/people.csv", []byte(`no,pin,age
good,CANARY-good,40
other,CANARY-after,41
young,CANARY-young,4
word,CANARY-word,CANARY-age
wide,CANARY-wide,40000
twice,CANARY-taken,40
check,CANARY-forbidden,40
told,CANARY-told,40
long,CANARY-`+strings.Repeat("long", 20)+`,40
hold1,CANARY-hold1,40
hold2,CANARY-hold2,40
number,CANARY-number,40
cells,CANARY-cells,40,CANARY-cell
"quote,CANARY-quote,40
`))
	c.write("in/stuck.csv", []byte("no,pin,age\nstuck,CANARY-stuck,40\n"))

	c.hear("plan", "people", "--limit", "0")
	c.hear("plan", "people", "--limit", "0", "--json")
	c.hear("check", "--connect")
	c.hear("run", "--once")
	d := c.daemon()
	c.eventually("all has failed that fails", patience, func() bool {
		s, err := d.ask()
		if err != nil {
			return false
		}
		failing := 0
		for _, f := range s.Flows {
			if f.Why != "" {
				failing++
			}
		}
		told, _ := os.ReadFile(c.path("told.jsonl"))
		return failing == 7 && bytes.Contains(told, []byte("failing")) && bytes.Contains(told, []byte("rejected"))
	})
	open := c.waiting()
	if len(open) < 17 {
		t.Errorf("only %d exceptions: too few ways to fail were met", len(open))
	}
	for _, x := range open {
		c.hear("exceptions", "show", x.ID)
		c.hear("exceptions", "show", x.ID, "--json")
		c.raw("exception", map[string]string{"id": x.ID})
		if x.Key == "hold1" {
			c.hear("exceptions", "release", x.ID, "--why", "known")
		}
		if x.Key == "young" {
			c.hear("exceptions", "dismiss", x.ID, "--why", "not ours")
		}
	}
	for _, verb := range []string{"status", "exceptions", "positions", "verify", "doctor"} {
		c.raw(verb, map[string]any{"all": true})
	}
	for _, key := range []string{"good", "other", "young", "twice", "told", "hold1", "stuck"} {
		c.hear("trace", "person", key)
		c.hear("trace", "person", key, "--json")
		c.raw("trace", map[string]string{"entity": "person", "key": key})
	}
	c.raw("keys", map[string]string{"entity": "card"})
	c.raw("plan", map[string]any{"flow": "stuck"})
	c.raw("plan", map[string]any{"flow": nil, "limit": canary})
	for _, args := range [][]string{
		{"exceptions", "list", "--all"}, {"exceptions", "list", "--json"}, {"exceptions", "export"}, {"exceptions", "export", "--format", "csv"},
		{"exceptions", "retry", "--flow", "people"}, {"trace", "person", "doubt"}, {"trace", "person", "refused"}, {"plan", "clients", "--limit", "0"}, {"status"}, {"status", "--json"}, {"doctor"}, {"doctor", "--json"}, {"verify"},
		{"checkpoint", "show"}, {"checkpoint", "show", "--json"}, {"pause", "people", "--why", "night"}, {"resume", "people"},
		{"trace", "card", "CANARX"}, {"plan", "cards", "--limit", "0"}, {"plan", "cards", "--limit", "0", "--json"}, {"plan", "stuck"}, {"plan", "denied"}, {"plan", "down"}, {"plan", "garbled"}, {"plan", "members"}, {"plan", "badged"},
	} {
		c.hear(args...)
	}
	c.must(d.Process.Signal(syscall.SIGQUIT))
	<-d.ended
	c.said["the daemon"] = d.told.Bytes()
	for _, sign := range []string{"goroutine ", "no [redacted] today", "/members?code=[redacted]", "/badges?code=[redacted]", `"reference":"[redacted]"`} {
		if !bytes.Contains(d.told.Bytes(), []byte(sign)) {
			t.Errorf("the daemon did not say %q:\n%s", sign, d.told)
		}
	}
	c.hear("verify")
	c.keep("state", "headgate.db")
	c.said["told.jsonl"], _ = os.ReadFile(c.path("told.jsonl"))
	for _, found := range c.escaped(canary) {
		t.Error(found)
	}

	// The state itself has the rows that wait, and nothing else of what is secret.
	kept, err := os.ReadFile(c.path("state/headgate.db"))
	c.must(err)
	if sight(kept, "CANARY-told") < 0 {
		t.Error("the row of a record that waits is not kept")
	}
	c.said = map[string][]byte{"headgate.db": kept}
	for _, found := range c.escaped("CANARY-erp", "CANARY-bearer", "CANARY-garbled", "CANARY-hook", "CANARY-token", "CANARY-file", "CANARY-credential", "CANARY-good", "CANARY-after", "CANARY-before", "CANARY-stuck") {
		t.Error(found)
	}
}
