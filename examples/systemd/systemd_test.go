package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// greatestExposure is what `systemd-analyze security` may say of the unit, 10 being
// a process that may do anything.
const greatestExposure = 1.5

// need skips a test where a program of systemd is not installed, unless
// HEADGATE_TEST_REQUIRE names systemd.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if strings.Contains(os.Getenv("HEADGATE_TEST_REQUIRE"), "systemd") {
		t.Fatalf("systemd is required and %s not installed", program)
	}
	t.Skipf("skipped: %s not installed", program)
}

// installed puts the unit and drop-ins into a directory as they are on a machine,
// with a program that is there, and returns the path of the unit.
func installed(t *testing.T, dropIns ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := strings.ReplaceAll(read(t, "headgate.service"), "/usr/bin/headgate", "/bin/true")
	unit := filepath.Join(dir, "headgate.service")
	write(t, unit, text)
	for _, name := range dropIns {
		write(t, filepath.Join(unit+".d", filepath.Base(name)), read(t, name))
	}
	return unit
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func dropIns(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("drop-ins/*.conf")
	if err != nil || len(names) < 4 {
		t.Fatalf("%d drop-ins, %v", len(names), err)
	}
	return names
}

// TestExposure: the unit, alone and with all its drop-ins, may do little.
func TestExposure(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze")
	for name, unit := range map[string]string{"alone": installed(t), "with drop-ins": installed(t, dropIns(t)...)} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unit).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		found := regexp.MustCompile(`exposure level for headgate\.service: ([0-9.]+)`).FindSubmatch(out)
		if found == nil {
			t.Fatalf("%s: no exposure in\n%s", name, out)
		}
		exposure, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil || exposure > greatestExposure {
			t.Errorf("%s: exposure %s, over %v\n%s", name, found[1], greatestExposure, out)
		}
		t.Logf("%s: exposure %s", name, found[1])
	}
}

// TestVerify: systemd understands every line.
func TestVerify(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze")
	for name, unit := range map[string]string{"alone": installed(t), "with drop-ins": installed(t, dropIns(t)...)} {
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	unit := installed(t)
	write(t, unit, read(t, unit)+"\n[Service]\nProtectAll=yes\n")
	if out, _ := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); !strings.Contains(string(out), "ProtectAll") {
		t.Errorf("an unknown setting is not found: %s", out)
	}
}

// TestUser: the user the unit names is the one that is made.
func TestUser(t *testing.T) {
	t.Parallel()
	need(t, "systemd-sysusers")
	root := t.TempDir()
	for _, name := range []string{"passwd", "group"} {
		write(t, filepath.Join(root, "etc", name), "")
	}
	sysusers, err := filepath.Abs("headgate.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-sysusers", "--root="+root, sysusers).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if passwd := read(t, filepath.Join(root, "etc/passwd")); !regexp.MustCompile(`(?m)^headgate:x:\d+:\d+:headgate:/var/lib/headgate:/usr/sbin/nologin$`).MatchString(passwd) {
		t.Errorf("passwd:\n%s", passwd)
	}
	for _, line := range []string{"User=headgate\n", "Group=headgate\n"} {
		if !strings.Contains(read(t, "headgate.service"), line) {
			t.Errorf("the unit has no %s", line)
		}
	}
}
