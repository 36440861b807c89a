package alerts

import (
	"context"
	"encoding/json"
	"fmt"

	"headgate/connectors"
	"headgate/rules"
)

// Channel is a way to reach people.
type Channel string

// The channels of an alert. Each is sent and tried again on its own.
const (
	Webhook Channel = "webhook"
	Command Channel = "command"
	Mail    Channel = "mail"
)

// channels returns those an alert has.
func channels(a *rules.Alert) []Channel {
	var all []Channel
	if a.Webhook != nil {
		all = append(all, Webhook)
	}
	if len(a.Command) > 0 {
		all = append(all, Command)
	}
	if a.Mail != "" {
		all = append(all, Mail)
	}
	return all
}

// Sender reaches people.
type Sender struct {
	Secret   func(connectors.Secret) (string, error)
	Sendmail string // the local mail program; "": DefaultSendmail
	Dir      string // where commands run, and relative ones stand: the directory of the ruleset
}

// Send sends a digest on one channel of an alert. Its errors hold no secret.
func (s *Sender) Send(ctx context.Context, alert *rules.Alert, channel Channel, d *Digest) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("send an alert: %w", err)
	}
	switch channel {
	case Webhook:
		return s.webhook(ctx, alert, body)
	case Command:
		return s.command(ctx, alert, d, body)
	case Mail:
		return s.mail(ctx, alert, d)
	}
	panic(fmt.Sprintf("alerts: a channel %q", channel))
}
