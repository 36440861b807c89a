package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// TestRenewer: of many at a time each is handed what the one before it made.
func TestRenewer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens", "shop")
	count := func(kept string) (string, error) {
		n, _ := strconv.Atoi(kept) // "" is 0
		return strconv.Itoa(n + 1), nil
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := renewer(dir, "shop")(t.Context(), count); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if text, err := os.ReadFile(path); err != nil || string(text) != "20" {
		t.Errorf("kept %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it may be read by others: %v, %v", info.Mode(), err)
	}
}

// TestRenewerFails: what was not renewed is kept, and who may not keep does not ask.
func TestRenewerFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens", "shop")
	renew := renewer(dir, "shop")
	if err := renew(t.Context(), func(string) (string, error) { return "first", nil }); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if err := renew(t.Context(), func(string) (string, error) { return "second", refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	ended, end := context.WithTimeout(t.Context(), 2*lockLook)
	defer end()
	if err := renew(t.Context(), func(kept string) (string, error) {
		return kept, renewer(dir, "shop")(ended, func(string) (string, error) {
			t.Error("two renew at a time")
			return "", nil
		})
	}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another one renews: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "first" {
		t.Errorf("kept %q, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := renewer(filepath.Join(dir, "file"), "shop")(t.Context(), func(string) (string, error) {
		t.Error("it was asked for what cannot be kept")
		return "", nil
	}); err == nil {
		t.Error("a token was kept in a file")
	}
}

// TestTokenOfTheNextProcess: each process goes on with the token that the one before it
// was given, and nothing that is secret is told where it ends.
func TestTokenOfTheNextProcess(t *testing.T) {
	t.Parallel()
	o := &operator{TB: t, dir: t.TempDir(), env: []string{"CLIENT_SECRET=CANARY-client", "FIRST_TOKEN=CANARY-first"}}
	var mu sync.Mutex
	good, given := "CANARY-first", 0
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch asked := r.FormValue("refresh_token"); {
		case r.URL.Path == "/token" && asked != good:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error": "invalid_grant", "error_description": "%s was used"}`, asked)
		case r.URL.Path == "/token":
			given++
			good = fmt.Sprint("CANARY-", given)
			_, _ = fmt.Fprintf(w, `{"access_token": "CANARY-access", "token_type": "bearer", "expires_in": 60, "refresh_token": %q}`, good)
		default:
			_, _ = fmt.Fprintf(w, `{"items": [{"no": "%d", "total": 9.90}]}`, given)
		}
	}))
	defer shop.Close()
	o.copy("testdata/rotating/shop.hcl")
	rules, err := os.ReadFile(o.path("rules/shop.hcl"))
	o.must(err)
	o.write("rules/shop.hcl", bytes.ReplaceAll(rules, []byte("http://shop.invalid"), []byte(shop.URL)))
	o.must(os.Mkdir(o.path("out"), 0o700))

	o.ask([]int{exitOK}, "check", "--connect")
	for range 2 {
		o.ask([]int{exitOK}, "run", "--once")
	}
	if rows := o.rowsIn("out"); rows["2,9.90"] != 1 || rows["3,9.90"] != 1 {
		t.Errorf("delivered %v, of three processes the last two", rows)
	}
	o.must(os.WriteFile(o.path("state/tokens/shop"), nil, 0o600)) // it is lost
	c := o.command("run", "--once")
	told, err := c.CombinedOutput()
	if exitCode(err) != exitFailed || !bytes.Contains(told, []byte("invalid_grant")) || !bytes.Contains(told, []byte("log in anew")) || bytes.Contains(told, []byte("CANARY")) {
		t.Errorf("it left with %v:\n%s", err, told)
	}
}
