package load

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"

	"headgate/engine/record"
	"headgate/rules"
)

// alertable are the events an alert may be about.
var alertable = []string{"paused", "rejected", "held", "in_doubt", "late", "reload_failed"}

const defaultAlertEvery = 15 * time.Minute

func (l *loader) compileAlert(b *block) {
	a := &rules.Alert{Name: b.label, Every: b.duration("every", defaultAlertEvery)}
	if b.required("on", "write on = [paused, rejected], for example") != nil {
		for _, e := range b.items("on") {
			w := hcl.ExprAsKeyword(e)
			if w == "" || !contains(alertable, w) {
				b.fail(e.Range(), "word", fmt.Sprintf("an alert cannot be about %s", l.source(e.Range())), suggest(l.source(e.Range()), alertable))
				continue
			}
			a.On = append(a.On, w)
		}
	}
	if e := b.attr("webhook"); e != nil {
		if s, ok := b.secret("webhook", e); ok {
			a.Webhook = s
		}
	}
	a.Command = b.texts("command")
	a.Mail, _, _ = b.text("mail")
	if b.attr("webhook") == nil && b.attr("command") == nil && b.attr("mail") == nil {
		b.fail(b.head, "missing", fmt.Sprintf("%s tells nobody", b.name), "give it a webhook, a command or a mail address")
	}
	b.done()
	l.ruleset.Alerts = append(l.ruleset.Alerts, a)
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// lint tells what works and is probably not meant.
func (l *loader) lint() {
	for _, u := range l.ruleset.Lookups {
		if !l.asked[u.Name] {
			b := l.lookupAt[u]
			b.warn(b.head, "unused", fmt.Sprintf("nobody uses %s", b.name), "leave it out, or ask it in a rule or a write expression")
		}
	}
	for _, e := range l.ruleset.Entities {
		l.lintUnguarded(e)
	}
}

// lintUnguarded tells rules that do arithmetic or compare a field that may be
// empty, and do not ask whether it is: they fail for every record without it.
func (l *loader) lintUnguarded(e *rules.Entity) {
	b := l.entityAt[e]
	for _, rb := range b.blocks("rule", 1) {
		for _, rule := range e.Rules {
			if rule.Name == rb.label {
				rb.lintRule(rule, e)
			}
		}
	}
}

func (b *block) lintRule(rule *rules.Rule, e *rules.Entity) {
	for _, f := range rule.Check.Fields() {
		field := e.Schema.Fields[f]
		if !field.Optional || field.Kind == record.List || !unguarded(rule, field.Name) {
			continue
		}
		b.warn(b.attr("check").Range(), "unguarded", fmt.Sprintf("%q may be empty, and the rule then cannot be evaluated", field.Name), fmt.Sprintf("write when = \"%s != nil\", or use coalesce(%s, …)", field.Name, field.Name))
	}
}
