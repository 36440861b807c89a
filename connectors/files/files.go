// Package files is the connector to directories of files: CSV and JSON Lines, read
// and written.
//
// As a source, each file that matches is a part with its own position. As a
// destination, rows are appended to a hidden part file, which gets its name at the
// end of a pass: a reader sees a file whole or not at all.
package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"headgate/connectors"
)

// Settings are those of a connector of this kind.
type Settings struct {
	Dir string `hcl:"dir" doc:"the directory; relative to the ruleset"`
}

// Resource are the settings of a resource.
type Resource struct {
	Glob   string        `hcl:"glob,optional" doc:"which files to read: orders-*.csv"`
	File   string        `hcl:"file,optional" doc:"how to name the files written, with strftime: orders-%Y%m%dT%H%M%S.csv"`
	Settle time.Duration `hcl:"settle,optional" doc:"a file is left alone until it was unchanged for so long (2s)"`
	CSV    *CSV          `hcl:"csv,block" doc:"the files are CSV"`
	JSONL  *JSONL        `hcl:"jsonl,block" doc:"the files are JSON Lines"`
}

// CSV says how the cells of a file are written.
type CSV struct {
	Delimiter string   `hcl:"delimiter,optional" doc:"one character between cells (,)"`
	Quote     string   `hcl:"quote,optional" doc:"one character around cells (\")"`
	Encoding  string   `hcl:"encoding,optional" doc:"utf-8, utf-16, utf-16le, utf-16be, windows-1252, iso-8859-1 or iso-8859-15 (utf-8)"`
	Decimal   string   `hcl:"decimal,optional" doc:"the decimal separator, . or , (.)"`
	Header    bool     `hcl:"header,optional" doc:"the first line names the columns (true)"`
	Columns   []string `hcl:"columns,optional" doc:"the names of the columns, where no line names them"`
	Head      []string `hcl:"head,optional" doc:"the columns of a first line that is no record"`
	Tail      []string `hcl:"tail,optional" doc:"the columns of a last line that is no record"`
	MaxRecord int      `hcl:"max_record,optional" doc:"the greatest size of a record in bytes (1 MiB)"`
	Null      string   `hcl:"null,optional" doc:"the text of an empty cell (nothing)"`
}

// JSONL says how the lines of a file are written.
type JSONL struct {
	MaxRecord int `hcl:"max_record,optional" doc:"the greatest size of a line in bytes (1 MiB)"`
}

const (
	defaultMaxRecord = 1 << 20
	defaultSettle    = 2 * time.Second
)

// Defaults sets what a csv block leaves out.
func (c *CSV) Defaults() {
	*c = CSV{Delimiter: ",", Quote: `"`, Encoding: "utf-8", Decimal: ".", Header: true, MaxRecord: defaultMaxRecord}
}

// Defaults sets what a jsonl block leaves out.
func (j *JSONL) Defaults() { j.MaxRecord = defaultMaxRecord }

// DecimalComma implements connectors.DecimalComma.
func (r *Resource) DecimalComma() bool { return r.CSV != nil && r.CSV.Decimal == "," }

// EnvelopeColumns implements connectors.Envelope.
func (r *Resource) EnvelopeColumns() (head, tail []string) {
	if r.CSV == nil {
		return nil, nil
	}
	return r.CSV.Head, r.CSV.Tail
}

// ColumnNames implements connectors.Columned: a header is only known in the file.
func (r *Resource) ColumnNames() []string {
	if r.CSV == nil {
		return nil
	}
	return r.CSV.Columns
}

// Validate implements the check of load.
func (r *Resource) Validate() error {
	fail := func(field, text string) error {
		return &connectors.FieldError{Field: field, Err: errors.New(text)}
	}
	switch {
	case r.CSV == nil && r.JSONL == nil:
		return fail("glob", "a resource of files needs a csv or a jsonl block")
	case r.CSV != nil && r.JSONL != nil:
		return fail("jsonl", "a resource of files is csv or jsonl, not both")
	case r.Glob == "" && r.File == "":
		return fail("glob", "a resource of files needs glob to be read, or file to be written")
	case strings.ContainsAny(r.File, "/\\"):
		return fail("file", "file is a name in the directory of the connector, without /")
	}
	if _, err := filepath.Match(r.Glob, ""); err != nil {
		return fail("glob", "glob is not a pattern: "+err.Error())
	}
	if r.CSV == nil {
		return nil
	}
	return r.CSV.validate(fail)
}

func (c *CSV) validate(fail func(field, text string) error) error {
	switch {
	case len([]rune(c.Delimiter)) != 1 || strings.ContainsAny(c.Delimiter, "\r\n") || c.Delimiter[0] >= 0x80:
		return fail("csv.delimiter", "delimiter must be one ASCII character")
	case len(c.Quote) > 1 || c.Quote == c.Delimiter || strings.ContainsAny(c.Quote, "\r\n"):
		return fail("csv.quote", "quote must be one ASCII character other than the delimiter, or empty for none")
	case c.Decimal != "." && c.Decimal != ",":
		return fail("csv.decimal", `decimal must be "." or ","`)
	case c.Decimal == "," && c.Delimiter == ",":
		return fail("csv.decimal", "numbers with a decimal comma need another delimiter")
	case c.MaxRecord < 64:
		return fail("csv.max_record", "max_record must be at least 64 bytes")
	case len(c.Columns) > 0 && slices.Contains(c.Columns, ""):
		return fail("csv.columns", "every column needs a name")
	}
	if _, err := encodingNamed(c.Encoding); err != nil {
		return &connectors.FieldError{Field: "csv.encoding", Err: err}
	}
	return nil
}

// encodingNamed returns the encoding; nil is UTF-8.
func encodingNamed(name string) (encoding.Encoding, error) {
	switch strings.ToLower(name) {
	case "utf-8", "":
		return nil, nil
	case "utf-16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), nil
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), nil
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), nil
	case "windows-1252":
		return charmap.Windows1252, nil
	case "iso-8859-1":
		return charmap.ISO8859_1, nil
	case "iso-8859-15":
		return charmap.ISO8859_15, nil
	}
	return nil, fmt.Errorf("there is no encoding %q: use utf-8, utf-16, utf-16le, utf-16be, windows-1252, iso-8859-1 or iso-8859-15", name)
}

// Kind is the connector type "files".
func Kind() connectors.Kind {
	return connectors.Kind{
		Name: "files", Summary: "a directory of files: csv, jsonl",
		Settings: func() any { return &Settings{} },
		Resource: func() any { return &Resource{Settle: defaultSettle} },
		Open: func(settings any, tools connectors.Tools) (connectors.Connector, error) {
			dir := settings.(*Settings).Dir
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(tools.Dir, dir)
			}
			dir, err := filepath.Abs(dir)
			return &connector{dir: dir, tools: tools}, err
		},
	}
}

type connector struct {
	dir   string
	tools connectors.Tools
	mu    sync.Mutex // flows that run side by side open their resources at once
	open  []interface{ Close() error }
}

func (c *connector) opened(x interface{ Close() error }) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, x)
}

// Source implements connectors.Connector.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	settings := r.Settings.(*Resource)
	if settings.Glob == "" {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "read " + r.Name, Hint: `write glob = "*.csv", for example`, Err: errors.New("it has no glob")}
	}
	s := &source{connector: c, resource: r, settings: settings}
	c.opened(s)
	return s, nil
}

// Destination implements connectors.Connector.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	settings := r.Settings.(*Resource)
	if settings.File == "" {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "write " + r.Name, Hint: `write file = "orders-%Y%m%d.csv", for example`, Err: errors.New("it has no file")}
	}
	d := &destination{connector: c, resource: r, settings: settings}
	c.opened(d)
	return d, nil
}

// Close implements connectors.Connector.
func (c *connector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, x := range c.open {
		errs = append(errs, x.Close())
	}
	c.open = nil
	return errors.Join(errs...)
}

func (c *connector) root() (*os.Root, error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return nil, classify("open directory "+c.dir, err)
	}
	return root, nil
}

// classify says what an error of the file system means for what is to be done.
func classify(op string, err error) error {
	if _, told := errors.AsType[*connectors.Error](err); told || err == nil {
		return err
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &connectors.Error{Class: connectors.Broken, Op: op, Hint: "is the path right, and the share mounted?", Err: err}
	case errors.Is(err, os.ErrPermission):
		return &connectors.Error{Class: connectors.Denied, Op: op, Hint: "may the user headgate runs as read and write there?", Err: err}
	}
	return &connectors.Error{Class: connectors.Down, Op: op, Err: err}
}
