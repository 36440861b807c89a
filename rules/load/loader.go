package load

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/connectors"
	"headgate/rules"
	"headgate/rules/expression"
)

// loader compiles one ruleset.
type loader struct {
	sources     map[string][]byte
	diagnostics Diagnostics
	kinds       []connectors.Kind
	ruleset     *rules.Ruleset

	top        map[string][]*block // by type, in file order
	connectors map[string]*rules.Connector
	resources  map[*rules.Resource]*block
	entities   map[string]*rules.Entity
	entityAt   map[*rules.Entity]*block
	lookups    map[string]*rules.Lookup
	lookupAt   map[*rules.Lookup]*block
	connectAt  map[*rules.Connector]*block
	broken     map[*rules.Resource]bool // one of its expressions did not compile
	asked      map[string]bool          // lookups that something asks
	functions  []expression.Lookup
	ruleAt     map[*rules.Rule]*block // of entities and flows
	owned      []own                  // directories, that of the state first
	hasty      bool                   // nobody hears of what is wrong
	unscoped   []template             // of the settings that were just read
	templates  map[*rules.Resource][]template
}

// Load compiles files into a ruleset. With errors among the diagnostics the
// ruleset is incomplete and must not be used.
func Load(dir string, files []File, kinds []connectors.Kind) (*rules.Ruleset, Diagnostics) {
	l := &loader{
		sources: make(map[string][]byte), kinds: kinds,
		ruleset:    &rules.Ruleset{Dir: dir, Digest: Digest(files)},
		top:        make(map[string][]*block),
		connectors: make(map[string]*rules.Connector), resources: make(map[*rules.Resource]*block),
		entities: make(map[string]*rules.Entity), entityAt: make(map[*rules.Entity]*block),
		lookups: make(map[string]*rules.Lookup), lookupAt: make(map[*rules.Lookup]*block),
		connectAt: make(map[*rules.Connector]*block), asked: make(map[string]bool),
		ruleAt: make(map[*rules.Rule]*block), broken: make(map[*rules.Resource]bool),
		templates: make(map[*rules.Resource][]template),
	}
	if len(files) == 0 || len(files) > maxFiles {
		l.at(Error, "empty", dir, 0, 0, "", fmt.Sprintf("a ruleset is 1 to %d files *.hcl in one directory; there are %d", maxFiles, len(files)), "`headgate init` makes one to start from")
		return l.ruleset, l.diagnostics
	}
	for _, f := range files {
		l.parse(f)
	}
	l.compile()
	return l.ruleset, l.sorted()
}

// StateDir returns the state that a ruleset names, "" where it names none. It looks
// at nothing else, so that a command finds the daemon at once, whatever mistakes the
// files have.
func StateDir(files []File) string {
	l := &loader{sources: make(map[string][]byte), ruleset: &rules.Ruleset{}, top: make(map[string][]*block), hasty: true}
	for _, f := range files {
		if bytes.Contains(f.Bytes, []byte("headgate")) {
			l.parse(f)
		}
	}
	l.settingsBlock()
	return l.ruleset.Settings.State
}

var topLevel = []string{"headgate", "connector", "entity", "lookup", "flow", "alert", "test"}

func (l *loader) parse(f File) {
	l.sources[f.Name] = f.Bytes
	if message, hint, at := unreadable(f.Bytes); message != "" {
		if len(f.Bytes) > maxFile {
			l.sources[f.Name] = nil
		}
		l.at(Error, "file", f.Name, at, at+1, "", message, hint)
		return
	}
	parsed, diags := hclsyntax.ParseConfig(f.Bytes, f.Name, hcl.InitialPos)
	l.syntax(diags)
	if parsed == nil {
		return
	}
	body := parsed.Body.(*hclsyntax.Body)
	for name, a := range body.Attributes {
		l.at(Error, "unknown_argument", f.Name, a.NameRange.Start.Byte, a.NameRange.End.Byte, "", fmt.Sprintf("a file has no argument %q", name), "arguments stand in blocks: "+fmt.Sprint(topLevel))
	}
	for _, b := range body.Blocks {
		if !slices.Contains(topLevel, b.Type) {
			hint := suggest(b.Type, topLevel)
			if b.Type == "tally" {
				hint = "tally is not part of this version"
			}
			l.at(Error, "unknown_block", f.Name, b.TypeRange.Start.Byte, b.TypeRange.End.Byte, "", fmt.Sprintf("there is no block %q", b.Type), hint)
			continue
		}
		labels := 1
		if b.Type == "headgate" {
			labels = 0
		}
		l.top[b.Type] = append(l.top[b.Type], l.block(b, labels))
	}
	if !l.hasty && !diags.HasErrors() && string(Format(f.Bytes)) != string(f.Bytes) {
		l.at(Warning, "format", f.Name, 0, 0, "", "the file is not in canonical form", "`headgate fmt` writes it so")
	}
}

// compile goes from what stands alone to what needs the others.
func (l *loader) compile() {
	l.settingsBlock()
	each(l, "connector", l.declareConnector)
	each(l, "entity", l.declareEntity)
	l.declareResources()
	each(l, "lookup", l.declareLookup)
	for _, e := range l.ruleset.Entities {
		l.entityRules(e)
	}
	for _, c := range l.ruleset.Connectors {
		for _, r := range c.Resources {
			l.compileResource(r)
		}
	}
	l.apart()
	each(l, "flow", l.compileFlow)
	each(l, "alert", l.compileAlert)
	each(l, "test", l.compileTest)
	l.checkWriters()
	l.checkRenamed()
	l.lint()
}

// each compiles the blocks of a type, and tells names that stand twice.
func each(l *loader, kind string, compile func(*block)) {
	first := make(map[string]*block)
	for _, b := range l.top[kind] {
		if other, twice := first[b.label]; twice {
			b.fail(b.head, "twice", fmt.Sprintf("%s stands twice", b.name), fmt.Sprintf("the first is at %s:%d", other.file, other.head.Start.Line))
			continue
		}
		first[b.label] = b
		compile(b)
	}
}
