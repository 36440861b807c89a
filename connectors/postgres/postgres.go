// Package postgres is the connector to PostgreSQL, by pgx natively.
//
// It reads a table in keyset order and writes one transaction a lot. Values travel
// as the server's own texts, so that no number is ever a float on the way. Where a
// resource says append, it adds each record once, under headgate's reference (once.go).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headgate/connectors"
)

// Settings are those of a connector of this kind.
type Settings struct {
	DSN      connectors.Secret `hcl:"dsn,optional" doc:"a connection string, as a secret"`
	Host     string            `hcl:"host,optional" doc:"or its parts: a host, or the directory of a socket"`
	Port     int               `hcl:"port,optional" doc:"(5432)"`
	Database string            `hcl:"database,optional" doc:"the database"`
	User     string            `hcl:"user,optional" doc:"the role"`
	Password connectors.Secret `hcl:"password,optional" doc:"its password, as a secret"`
	SSLMode  string            `hcl:"sslmode,optional" doc:"disable, prefer, require, verify-ca or verify-full (prefer)"`
}

// Validate implements the check of load.
func (s *Settings) Validate() error {
	switch {
	case s.DSN.IsZero() && s.Host == "":
		return &connectors.FieldError{Field: "dsn", Err: errors.New("a postgres connector needs dsn, or host, database and user")}
	case !s.DSN.IsZero() && s.Host != "":
		return &connectors.FieldError{Field: "host", Err: errors.New("give dsn or its parts, not both")}
	}
	return nil
}

// Resource are the settings of a resource.
type Resource struct {
	Table  string `hcl:"table,optional" doc:"the table or view, with its schema: sales.orders"`
	Query  string `hcl:"query,optional" doc:"a SELECT to read from instead of a table"`
	Append bool   `hcl:"append,optional" doc:"rows are added only, each record once: nothing is found or changed by its key"`
}

// Validate implements the check of load.
func (r *Resource) Validate() error {
	switch {
	case r.Table == "" && r.Query == "":
		return &connectors.FieldError{Field: "table", Err: errors.New("a resource needs a table, or a query to read")}
	case r.Table != "" && r.Query != "":
		return &connectors.FieldError{Field: "query", Err: errors.New("a resource has a table or a query, not both")}
	case r.Query != "" && r.Append:
		return &connectors.FieldError{Field: "append", Err: errors.New("a query is not written, and nothing is appended to it")}
	}
	return nil
}

// AppendOnly implements connectors.AppendOnly.
func (r *Resource) AppendOnly() bool { return r.Append }

const defaultPort = 5432

// codes are SQLSTATEs, what has none, and what refusals of rows carry.
var codes = []string{"timeout", "unreachable", "cut", "xxxxx", "not_null", "unique", "foreign_key", "check", "too_long", "type"}

// Kind is the connector type "postgres".
func Kind() connectors.Kind {
	return connectors.Kind{
		Name: "postgres", Summary: "a PostgreSQL database",
		Settings: func() any { return &Settings{Port: defaultPort, SSLMode: "prefer"} },
		Resource: func() any { return &Resource{} },
		Codes:    codes,
		Open: func(settings any, tools connectors.Tools) (connectors.Connector, error) {
			return &connector{settings: settings.(*Settings), tools: tools}, nil
		},
	}
}

// connector holds one connection to read and one to write: they are used by
// different goroutines.
type connector struct {
	settings *Settings
	tools    connectors.Tools
	reading  conn
	writing  conn
}

type conn struct {
	mu sync.Mutex
	db *pgx.Conn
}

// Source implements connectors.Connector.
func (c *connector) Source(r connectors.Resource) (connectors.Source, error) {
	return &source{table: newTable(c, r)}, nil
}

// Destination implements connectors.Connector.
func (c *connector) Destination(r connectors.Resource) (connectors.Destination, error) {
	if r.Settings.(*Resource).Query != "" {
		return nil, &connectors.Error{Class: connectors.Broken, Op: "write " + r.Name, Hint: "give it a table", Err: errors.New("a query cannot be written")}
	}
	d := &destination{table: newTable(c, r)}
	if d.settings().Append {
		return &once{d}, nil
	}
	return d, nil
}

// Close implements connectors.Connector.
func (c *connector) Close() error { return errors.Join(c.reading.close(), c.writing.close()) }

// closeWait is how long closing waits for the server to hear of it.
const closeWait = 2 * time.Second

func (k *conn) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.db == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	db := k.db
	k.db = nil
	return db.Close(ctx)
}

// forgotten lets a server end a session whose client is gone behind a cut network
// within about a minute, instead of two hours: until then it holds the lock of its
// table, and everybody waits (quiet.go).
var forgotten = map[string]string{
	"tcp_keepalives_idle":                 "30",
	"tcp_keepalives_interval":             "10",
	"tcp_keepalives_count":                "3",
	"idle_in_transaction_session_timeout": "60s",
}

// config is the connection's configuration. Texts come in one known form.
func (c *connector) config() (*pgx.ConnConfig, error) {
	dsn, err := c.dsn()
	if err != nil {
		return nil, &connectors.Error{Class: connectors.Denied, Op: "read the secret of a postgres connector", Err: err}
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The message of the parser may show the string, and the string is secret.
		return nil, &connectors.Error{Class: connectors.Broken, Op: "read the connection string", Hint: "postgres://user:password@host:5432/database", Err: errors.New("it is not a connection string")}
	}
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["datestyle"] = "ISO, YMD"
	config.RuntimeParams["intervalstyle"] = "iso_8601"
	config.RuntimeParams["extra_float_digits"] = "1"
	// A plan made while the table was small must not be kept while it grows: the
	// look-up of a batch would go on scanning the whole table.
	config.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	// The pages of a look-up by key are few and mostly cached: it goes by the index.
	config.RuntimeParams["random_page_cost"] = "1.1"
	for name, value := range forgotten {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "headgate"
	}
	return config, nil
}

func (c *connector) dsn() (string, error) {
	s := c.settings
	if !s.DSN.IsZero() {
		return c.tools.Secret(s.DSN)
	}
	query := url.Values{"host": {s.Host}, "port": {strconv.Itoa(s.Port)}, "sslmode": {s.SSLMode}}
	u := url.URL{Scheme: "postgres", Path: "/" + s.Database, RawQuery: query.Encode(), User: url.User(s.User)}
	if !s.Password.IsZero() {
		password, err := c.tools.Secret(s.Password)
		if err != nil {
			return "", err
		}
		u.User = url.UserPassword(s.User, password)
	}
	return u.String(), nil
}

// with runs f on the connection, which it opens first, and again after it broke.
func (c *connector) with(outer context.Context, k *conn, op string, f func(context.Context, *pgx.Conn) error) error {
	ctx := outer
	if c.tools.Wait != nil {
		if err := c.tools.Wait(ctx); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.tools.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(outer, c.tools.Timeout)
		defer cancel()
	}
	if k.db == nil || k.db.IsClosed() {
		config, err := c.config()
		if err != nil {
			return err
		}
		if k.db, err = pgx.ConnectConfig(ctx, config); err != nil {
			return connectError(config, err)
		}
	}
	err := f(ctx, k.db)
	switch {
	case err != nil && outer.Err() != nil:
		return outer.Err()
	case err != nil && ctx.Err() != nil: // pgx closed the connection: what it did is not known
		return &connectors.Error{Class: connectors.Unclear, Op: op, Hint: "is it overloaded, or the network cut? `timeout` of the connector says how long to wait", Code: "timeout", Err: fmt.Errorf("no answer within %s", c.tools.Timeout)}
	}
	return classify(op, err)
}

// connectError says why there is no connection, without user or password.
func connectError(config *pgx.ConnConfig, err error) error {
	op := fmt.Sprintf("connect to postgres at %s:%d", config.Host, config.Port)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		told := classify(op, e)
		if x, ok := errors.AsType[*connectors.Error](told); ok && x.Class == connectors.Unclear {
			x.Class = connectors.Denied
		}
		return told
	}
	return &connectors.Error{Class: connectors.Down, Code: "unreachable", Op: op, Hint: "is the server running, and reachable from here?", Err: errors.New("no connection could be made")}
}

// classify says what an error means for what is to be done, by its SQLSTATE.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, told := errors.AsType[*connectors.Error](err); told {
		return err
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return &connectors.Error{Class: connectors.Unclear, Code: "cut", Op: op, Err: err}
	}
	class := connectors.Unclear
	switch {
	case strings.HasPrefix(e.Code, "28"):
		class = connectors.Denied
	case strings.HasPrefix(e.Code, "42") || strings.HasPrefix(e.Code, "3D") || strings.HasPrefix(e.Code, "3F"):
		class = connectors.Broken
	case strings.HasPrefix(e.Code, "40") || strings.HasPrefix(e.Code, "53") || strings.HasPrefix(e.Code, "55") || strings.HasPrefix(e.Code, "57"):
		class = connectors.Down
	}
	return &connectors.Error{Class: class, Code: e.Code, Op: op, Err: fmt.Errorf("%s (SQLSTATE %s)", e.Message, e.Code)}
}

// Place implements connectors.Source and connectors.Destination.
func (t *table) Place() (string, error) {
	config, err := t.config()
	if err != nil {
		return "", err
	}
	name := t.settings().Table
	if name == "" {
		name = "(" + strings.Join(strings.Fields(t.settings().Query), " ") + ")"
	}
	return fmt.Sprintf("postgres:%s:%d/%s#%s", config.Host, config.Port, config.Database, name), nil
}
