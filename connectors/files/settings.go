package files

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/timefmt-go"

	"headgate/connectors"
)

// Settings are those of a connector of this kind.
type Settings struct {
	Dir string `hcl:"dir" doc:"the directory; relative to the ruleset"`
}

// Directory implements connectors.Placed.
func (s *Settings) Directory() string { return s.Dir }

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
	Null      string   `hcl:"null,optional" doc:"a text that means null, as an empty cell does; quoted, it is that text (none)"`
}

// JSONL says how the lines of a file are written.
type JSONL struct {
	MaxRecord int `hcl:"max_record,optional" doc:"the greatest size of a line in bytes (1 MiB)"`
}

const (
	defaultMaxRecord = 1 << 20
	defaultSettle    = 2 * time.Second
	leastMaxRecord   = 64
	greatestRecord   = 256 << 20
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

func mistake(field, text string) error {
	return &connectors.FieldError{Field: field, Err: errors.New(text)}
}

// Validate implements the check of load.
func (r *Resource) Validate() error {
	switch {
	case r.CSV == nil && r.JSONL == nil:
		return mistake("glob", "a resource of files needs a csv or a jsonl block")
	case r.CSV != nil && r.JSONL != nil:
		return mistake("jsonl", "a resource of files is csv or jsonl, not both")
	case r.Glob == "" && r.File == "":
		return mistake("glob", "a resource of files needs glob to be read, or file to be written")
	case r.Settle < 0:
		return mistake("settle", "settle cannot be negative")
	}
	if err := r.validateNames(); err != nil {
		return err
	}
	if r.CSV != nil {
		return r.CSV.validate()
	}
	return validateMaxRecord("jsonl.max_record", r.JSONL.MaxRecord)
}

func (r *Resource) validateNames() error {
	if _, err := path.Match(r.Glob, ""); err != nil {
		return mistake("glob", "glob is not a pattern: "+err.Error())
	}
	if strings.HasPrefix(r.Glob, "/") || slices.Contains(strings.Split(r.Glob, "/"), "..") {
		return mistake("glob", "glob is a pattern in the directory of the connector, without .. and a leading /")
	}
	if r.File == "" {
		return nil
	}
	// A directive may give a slash too: %D is 11/24/26.
	name := timefmt.Format(time.Unix(0, 0).UTC(), r.File)
	if strings.ContainsAny(r.File+name, "/\\\x00") {
		return mistake("file", "file is a name in the directory of the connector, without /")
	}
	if unfinished(name) {
		return mistake("file", "no reader looks at a file whose name begins with a dot or ends with .part, .tmp or .sum.json")
	}
	return nil
}

// unfinished reports whether a file of this name is none to be read: hidden,
// being written, or the sum beside another.
func unfinished(name string) bool {
	base := path.Base(name)
	return base[0] == '.' || strings.HasSuffix(base, ".part") || strings.HasSuffix(base, ".tmp") || strings.HasSuffix(base, sumSuffix)
}

func (c *CSV) validate() error {
	switch {
	case len(c.Delimiter) != 1 || strings.ContainsAny(c.Delimiter, "\r\n\x00") || c.Delimiter[0] >= 0x80:
		return mistake("csv.delimiter", "delimiter must be one ASCII character")
	case len(c.Quote) > 1 || c.Quote == c.Delimiter || strings.ContainsAny(c.Quote, "\r\n\x00") || c.Quote != "" && c.Quote[0] >= 0x80:
		return mistake("csv.quote", "quote must be one ASCII character other than the delimiter, or empty for none")
	case c.Decimal != "." && c.Decimal != ",":
		return mistake("csv.decimal", `decimal must be "." or ","`)
	case c.Decimal == "," && c.Delimiter == ",":
		return mistake("csv.decimal", "numbers with a decimal comma need another delimiter")
	case strings.ContainsAny(c.Null, "\r\n") || strings.Contains(c.Null, c.Delimiter) || c.Quote != "" && strings.Contains(c.Null, c.Quote):
		return mistake("csv.null", "null cannot contain a line break, the delimiter or the quote")
	}
	for _, list := range []struct {
		field string
		names []string
	}{{"csv.columns", c.Columns}, {"csv.head", c.Head}, {"csv.tail", c.Tail}} {
		if err := validateColumns(list.field, list.names); err != nil {
			return err
		}
	}
	if _, err := encodingNamed(c.Encoding); err != nil {
		return &connectors.FieldError{Field: "csv.encoding", Err: err}
	}
	return validateMaxRecord("csv.max_record", c.MaxRecord)
}

func validateColumns(field string, names []string) error {
	for i, name := range names {
		if name == "" {
			return mistake(field, "every column needs a name")
		}
		if slices.Contains(names[:i], name) {
			return mistake(field, "the column "+name+" stands twice")
		}
	}
	return nil
}

func validateMaxRecord(field string, n int) error {
	if n < leastMaxRecord || n > greatestRecord {
		return mistake(field, "max_record must be from 64 bytes to 256 MiB")
	}
	return nil
}
