package load

import (
	"fmt"
	"net/mail"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"headgate/rules"
)

const defaultAlertEvery = 15 * time.Minute

func (l *loader) compileAlert(b *block) {
	a := &rules.Alert{Name: b.label, Every: b.duration("every", defaultAlertEvery)}
	if b.required("on", "write on = [paused, rejected], for example") != nil {
		for _, e := range b.items("on") {
			w := hcl.ExprAsKeyword(e)
			if w == "" || !slices.Contains(rules.AlertKinds, w) {
				b.fail(e.Range(), "word", fmt.Sprintf("an alert cannot be about %s", l.source(e.Range())), suggest(l.source(e.Range()), rules.AlertKinds))
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
	if e := b.attr("command"); e != nil {
		list, isList := e.(*hclsyntax.TupleConsExpr)
		if a.Command = b.texts("command"); isList && len(list.Exprs) == 0 || len(a.Command) > 0 && a.Command[0] == "" {
			b.fail(e.Range(), "command", "command names no program", `write ["/usr/local/bin/notify", "--urgent"]: the digest comes as JSON on its standard input`)
		}
	}
	b.mail(a)
	if b.attr("webhook") == nil && b.attr("command") == nil && b.attr("mail") == nil {
		b.fail(b.head, "missing", fmt.Sprintf("%s tells nobody", b.name), "give it a webhook, a command or a mail address")
	}
	b.done()
	l.ruleset.Alerts = append(l.ruleset.Alerts, a)
}

// mail reads the addresses an alert is mailed to.
func (b *block) mail(a *rules.Alert) {
	text, r, ok := b.text("mail")
	if !ok {
		return
	}
	if _, err := mail.ParseAddressList(text); err != nil {
		b.fail(r, "mail", fmt.Sprintf("%q is no mail address", text), `write "name@example.com", several with commas between`)
	}
	a.Mail = text
}
