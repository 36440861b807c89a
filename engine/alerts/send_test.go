package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"headgate/connectors"
	"headgate/rules"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// sample is a digest with everything in it.
func sample() *Digest {
	alert := &rules.Alert{Name: "operations", On: []string{"paused", "rejected", "held"}}
	p := &pending{}
	for _, g := range []Group{
		{Kind: "rejected", Flow: "orders", Rule: "known_customer", Count: 12, First: noon, Last: noon.Add(time.Minute), Sample: "customer C-7 is not in the ERP\nBcc: all@example.com"},
		{Kind: "paused", Flow: "stock", Code: "guard", Count: 1, First: noon, Last: noon, Sample: "guard: 300 creates, 200 are allowed"},
	} {
		g.Sample = short(g.Sample)
		p.add(&g, noon)
	}
	return newDigest(alert, "erp-1", noon.Add(time.Hour), p.sorted(), []Open{
		{Outcome: "rejected", Flow: "orders", Rule: "known_customer", Count: 30, Oldest: noon.Add(-time.Hour), Newest: noon},
		{Outcome: "rejected", Flow: "orders", Rule: "total", Count: 10, Oldest: noon.Add(-48 * time.Hour), Newest: noon},
		{Outcome: "in_doubt", Flow: "orders", Count: 1},
	}, nil)
}

const sampleText = `headgate on erp-1: 1 paused, 12 rejected

1 × paused in stock, guard: guard: 300 creates, 200 are allowed
12 × rejected in orders, rule known_customer: customer C-7 is not in the ERP Bcc: all@example.com

Open now:
40 rejected in orders, the oldest since 2026-10-31 12:00 UTC

Alert "operations". Look with ` + "`headgate status` and `headgate exceptions list`" + `.
`

func TestText(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(sampleText, sample().Text); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d := newDigest(&rules.Alert{Name: "a"}, "h", noon, nil, nil, errors.New("the state is busy"))
	if !strings.Contains(d.Text, "What is open could not be told: the state is busy") {
		t.Error(d.Text)
	}
}

var webhookAlert = &rules.Alert{Name: "operations", Webhook: connectors.Secret{From: "credential", Name: "url"}}

func posting(address string) *Sender {
	return &Sender{Secret: func(connectors.Secret) (string, error) { return address, nil }}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	var got Digest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/hook/s3cret" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	if err := posting(server.URL+"/hook/s3cret").Send(t.Context(), webhookAlert, Webhook, sample()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), &got); diff != "" {
		t.Errorf("(-sent +received)\n%s", diff)
	}
}

// TestWebhookFails: each failure says what is wrong, and nothing of the address.
func TestWebhookFails(t *testing.T) {
	t.Parallel()
	followed := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/s3cret", http.StatusTemporaryRedirect)
		case "/s3cret":
			followed = true
		case "/slow":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		default:
			code, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "s3cret")
		}
	}))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, test := range map[string]struct {
		address, want string
		time          time.Duration
	}{
		"refuses":         {address: server.URL + "/403?token=s3cret", want: "answers 403 Forbidden"},
		"breaks":          {address: server.URL + "/500?token=s3cret", want: "answers 500"},
		"redirects":       {address: server.URL + "/moved?token=s3cret", want: "a redirect, and none is followed"},
		"is slow":         {address: server.URL + "/slow?token=s3cret", want: "deadline exceeded", time: 50 * time.Millisecond},
		"is not there":    {address: gone.URL + "/s3cret", want: "connection refused"},
		"no such host":    {address: "http://s3cret.invalid/", want: "[webhook]"},
		"no address":      {address: "s3cret", want: `credential("url") holds no address`},
		"another scheme":  {address: "file:///s3cret", want: "holds no address"},
		"a control":       {address: "https://example.com/s3cret\n", want: "holds no address"},
		"the cloud's own": {address: "http://169.254.169.254/s3cret", want: "link-local"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience(test.time))
		err := posting(test.address).Send(ctx, webhookAlert, Webhook, sample())
		cancel()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(fmt.Sprintf("%+v %v", err, errors.Unwrap(err)), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if followed {
		t.Error("a redirect was followed")
	}
	broken := &Sender{Secret: func(s connectors.Secret) (string, error) { return "", errors.New(s.Reference() + ": not there") }}
	if err := broken.Send(t.Context(), webhookAlert, Webhook, sample()); err == nil || !strings.Contains(err.Error(), `credential("url"): not there`) {
		t.Error(err)
	}
}

// patience is a limit, or one that only a broken test reaches.
func patience(limit time.Duration) time.Duration {
	if limit == 0 {
		return 30 * time.Second
	}
	return limit
}

// script makes a program of its lines.
func script(t *testing.T, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCommand(t *testing.T) {
	t.Setenv("HEADGATE_TEST_TOKEN", "s3cret")
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	program := script(t, "notify", `printf '%s|' "$@" >args`, "env >environment", "cat >digest.json")
	dir := filepath.Dir(program)
	alert := &rules.Alert{Name: "operations", Command: []string{"./notify", "--to", "a b; rm -rf /"}}
	if err := (&Sender{Dir: dir}).Send(t.Context(), alert, Command, sample()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir+"/args"); got != "--to|a b; rm -rf /|" {
		t.Errorf("arguments %q", got)
	}
	env := read(t, dir+"/environment")
	for _, want := range []string{"HEADGATE_ALERT=operations\n", "HEADGATE_ALERT_SUBJECT=headgate on erp-1: 1 paused, 12 rejected\n", "PATH="} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q in\n%s", want, env)
		}
	}
	if strings.Contains(env, "s3cret") || strings.Contains(env, "NOTIFY_SOCKET") {
		t.Errorf("the environment of the daemon leaks:\n%s", env)
	}
	var got Digest
	if err := json.Unmarshal([]byte(read(t, dir+"/digest.json")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), &got); diff != "" {
		t.Errorf("(-sent +received)\n%s", diff)
	}
}

func TestCommandFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ lines, want string }{
		"a code":           {"echo 'no route\033[31m' >&2\nexit 3", "exit status 3: no route [31m"},
		"reads nothing":    {"exit 0", ""},
		"says much":        {"head -c 300000 /dev/zero | tr '\\0' x\nexit 1", "exit status 1: xxx"},
		"leaves something": {"sleep 600 >/dev/null 2>&1 </dev/null & echo $! >\"$0.pid\"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := script(t, "notify", test.lines)
			err := (&Sender{}).Send(t.Context(), &rules.Alert{Name: "a", Command: []string{program}}, Command, sample())
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 1000) {
				t.Errorf("%v", err)
			}
			if pid, err := os.ReadFile(program + ".pid"); err == nil {
				n, _ := strconv.Atoi(strings.TrimSpace(string(pid)))
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
		})
	}
	err := (&Sender{}).Send(t.Context(), &rules.Alert{Name: "a", Command: []string{"no-such-program"}}, Command, sample())
	if err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Error(err)
	}
}

// TestCommandKilled: a command that does not end is killed with all it started. Both
// hold a pipe open, whose end is seen when they are gone.
func TestCommandKilled(t *testing.T) {
	t.Parallel()
	program := script(t, "notify", `sleep 600 >"$0.held" &`, `: >"$0.up"`, "wait")
	for _, name := range []string{".held", ".up"} {
		if err := syscall.Mkfifo(program+name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.OpenFile(program+".held", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	done := make(chan error, 1)
	limited, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	go func() {
		done <- (&Sender{}).Send(limited, &rules.Alert{Name: "a", Command: []string{program}}, Command, sample())
	}()
	up, err := os.Open(program + ".up") // waits until the child was started
	if err != nil {
		t.Fatal(err)
	}
	_ = up.Close()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "did not end in time and was killed") {
		t.Fatal(err)
	}
	if n, err := held.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("what it started still lives: %d, %v", n, err)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	program := script(t, "sendmail", `echo "$@" >"$0.args"`, `cat >"$0.letter"`)
	alert := &rules.Alert{Name: "operations", Mail: "Ops Team <ops@example.com>, boss@example.com"}
	d := sample()
	d.Subject = "headgate on erp-1: żółw\nBcc: all@example.com"
	if err := (&Sender{Sendmail: program}).Send(t.Context(), alert, Mail, d); err != nil {
		t.Fatal(err)
	}
	if got := read(t, program+".args"); got != "-t -i\n" {
		t.Errorf("arguments %q", got)
	}
	text := read(t, program+".letter")
	letter, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"To": `"Ops Team" <ops@example.com>, <boss@example.com>`, "Auto-Submitted": "auto-generated", "Bcc": "",
		"Date": "Mon, 02 Nov 2026 13:00:00 +0000", "Content-Type": "text/plain; charset=utf-8",
	}
	for name, value := range want {
		if got := letter.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if got := decoded(t, letter.Header.Get("Subject")); got != "headgate on erp-1: żółw Bcc: all@example.com" {
		t.Errorf("subject %q", got)
	}
	if got := body(t, letter.Body); got != sampleText {
		t.Errorf("(-want +got)\n%s", cmp.Diff(sampleText, got))
	}
}

func decoded(t *testing.T, header string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(quotedprintable.NewReader(r))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMailFails(t *testing.T) {
	t.Parallel()
	alert := &rules.Alert{Name: "a", Mail: "a@example.com\nBcc: b@example.com"}
	if err := (&Sender{Sendmail: script(t, "sendmail", "exit 0")}).Send(t.Context(), alert, Mail, sample()); err == nil {
		t.Error("an address with a line break was taken")
	}
	alert.Mail = "a@example.com"
	err := (&Sender{Sendmail: script(t, "sendmail", "echo 'queue full' >&2", "exit 75")}).Send(t.Context(), alert, Mail, sample())
	if err == nil || !strings.Contains(err.Error(), "queue full") {
		t.Error(err)
	}
	err = (&Sender{Sendmail: filepath.Join(t.TempDir(), "sendmail")}).Send(t.Context(), alert, Mail, sample())
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := File(filepath.Join(dir, "alerts.json"))
	if told, err := f.Load(); told != nil || err != nil {
		t.Errorf("%v, %v", told, err)
	}
	want := map[string]Told{"ops/mail": {Sent: noon, Until: map[string]time.Time{"orders": noon}}}
	for range 2 {
		if err := f.Save(want); err != nil {
			t.Fatal(err)
		}
	}
	told, err := f.Load()
	if diff := cmp.Diff(want, told); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files", len(entries))
	}
	if err := os.WriteFile(string(f), []byte(`{"ops`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); err == nil {
		t.Error("a damaged file was taken")
	}
	if err := File(filepath.Join(dir, "gone", "x")).Save(want); err == nil {
		t.Error("saved into nowhere")
	}
}

func TestChannels(t *testing.T) {
	t.Parallel()
	a := &rules.Alert{Webhook: connectors.Secret{From: "env", Name: "X"}, Command: []string{"x"}, Mail: "x@example.com"}
	if got := fmt.Sprint(channels(a)); got != "[webhook command mail]" {
		t.Error(got)
	}
}
