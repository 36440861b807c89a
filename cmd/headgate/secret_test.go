package main

import (
	"os"
	"path/filepath"
	"testing"

	"headgate/connectors"
)

// TestSecretModes: a secret that others may read is refused. Credentials that
// systemd hands out show the mask of their access list as the group's bits.
func TestSecretModes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "dsn")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	byFile, byName := connectors.Secret{From: "file", Name: file}, connectors.Secret{From: "credential", Name: "dsn"}
	for name, test := range map[string]struct {
		mode    os.FileMode
		secret  connectors.Secret
		systemd string // CREDENTIALS_DIRECTORY
		taken   bool
	}{
		"its owner's":             {0o600, byFile, "", true},
		"its group's":             {0o640, byFile, "", false},
		"everybody's":             {0o604, byFile, "", false},
		"a credential by hand":    {0o400, byName, "", true},
		"a group's, by hand":      {0o440, byName, "", false},
		"by systemd":              {0o400, byName, dir, true},
		"by systemd, with a list": {0o440, byName, dir, true},
		"by systemd, everybody's": {0o444, byName, dir, false},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", test.systemd)
		if err := os.Chmod(file, test.mode); err != nil {
			t.Fatal(err)
		}
		text, err := (&app{credentials: dir}).secret(test.secret)
		if (err == nil) != test.taken || err == nil && text != "s3cret" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
