package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"headgate/engine/record"
)

// The limits of a ruleset: over them the parser could be made to overflow its stack.
const (
	maxFile    = 256 << 10
	maxFiles   = 1000
	maxNesting = 64
)

// File is one file of a ruleset.
type File struct {
	Name  string // in its directory
	Bytes []byte
}

// Read reads the *.hcl files of a directory, by name. It fails only on I/O.
func Read(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the ruleset: %w", err)
	}
	var files []File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".hcl") || strings.HasPrefix(e.Name(), ".") || e.IsDir() {
			continue
		}
		content, err := readCapped(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the ruleset: %w", err)
		}
		files = append(files, File{e.Name(), content})
	}
	return files, nil
}

// readCapped reads one byte more than a file may have, so that Load can refuse it.
func readCapped(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no file", path))
	}
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// Digest names the content of the files.
func Digest(files []File) string {
	h := sha256.New()
	for _, f := range files {
		_, _ = fmt.Fprintf(h, "%s %d\n", f.Name, len(f.Bytes))
		h.Write(f.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Format returns src in canonical form.
func Format(src []byte) []byte { return hclwrite.Format(src) }

// unreadable says why a file must not reach the parser, or "".
func unreadable(src []byte) (message, hint string, at int) {
	switch {
	case len(src) > maxFile:
		return fmt.Sprintf("the file is larger than %d KiB", maxFile>>10), "split it into several files", 0
	case bytes.IndexByte(src, 0) >= 0:
		return "the file holds a zero byte", "save it as UTF-8 text", bytes.IndexByte(src, 0)
	case !utf8.Valid(src):
		return "the file is not UTF-8", "save it as UTF-8 text", invalidAt(src)
	case bytes.HasPrefix(src, []byte("\xef\xbb\xbf")):
		return "the file begins with a byte order mark", "save it as UTF-8 without a byte order mark", 0
	}
	for at, r := range string(src) {
		if record.Acts(r) && r != '\n' && r != '\r' && r != '\t' {
			return fmt.Sprintf("the file holds the character U+%04X, which is not shown and changes what is", r), fmt.Sprintf(`take it away, or write it as \u%04x`, r), at
		}
	}
	if at := tooDeep(src); at >= 0 {
		return fmt.Sprintf("nested deeper than %d", maxNesting), "", at
	}
	return "", "", 0
}

func invalidAt(src []byte) int {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return 0
}

// tooDeep returns where brackets nest too deep, or -1. It counts brackets in texts
// and comments too: a ruleset that holds so many there is refused as well.
func tooDeep(src []byte) int {
	depth, prefixes := 0, 0
	for i, c := range src {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '\n':
			prefixes = 0
		case '!', '-':
			prefixes++
		case ' ', '\t':
		default:
			prefixes = 0
		}
		if depth > maxNesting || prefixes > 1000 {
			return i
		}
	}
	return -1
}
