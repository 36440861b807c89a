// Package pgtest starts a private PostgreSQL for tests: in a temporary directory, on
// a socket there, as an unprivileged user, ended by its own process id.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startWait is how long a server may take to answer.
const startWait = 30 * time.Second

// Server is a running server.
type Server struct {
	Dir string // of its socket
	cmd *exec.Cmd
}

// DSN returns the connection string of the database every server has.
func (s *Server) DSN() string {
	return fmt.Sprintf("host=%s port=5432 user=headgate dbname=postgres sslmode=disable", s.Dir)
}

// Start starts a server that ends with the test. Where no PostgreSQL is installed
// the test is skipped, unless HEADGATE_TEST_REQUIRE names postgres.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	bin := binaries()
	if bin == "" {
		if strings.Contains(os.Getenv("HEADGATE_TEST_REQUIRE"), "postgres") {
			t.Fatal("postgres is required and not installed")
		}
		t.Skip("skipped: postgres not installed")
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "headgate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s := &Server{Dir: dir}
	args := []string{"-D", data, "-k", dir, "-c", "listen_addresses="}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), args...)
	s.cmd.SysProcAttr, s.cmd.Dir = as, dir
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.await(t)
	return s
}

// stop ends the server's own process and waits for it.
func (s *Server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	_ = s.cmd.Wait()
}

func (s *Server) await(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	for {
		db, err := pgx.Connect(ctx, s.DSN())
		if err == nil {
			_ = db.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("postgres does not answer: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Exec runs statements.
func (s *Server) Exec(t testing.TB, statements ...string) {
	t.Helper()
	ctx := context.Background()
	db, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	for _, statement := range statements {
		if _, err := db.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Text returns the only value a query gives, as text.
func (s *Server) Text(t testing.TB, query string) string {
	t.Helper()
	ctx := context.Background()
	db, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	var text string
	if err := db.QueryRow(ctx, query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// binaries is the directory of initdb and postgres, the newest there is.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.Sort(found)
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}

// unprivileged is who runs the server: it refuses to run as root.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	t.Skip("skipped: there is no unprivileged user to run postgres as")
	return nil
}
