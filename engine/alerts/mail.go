package alerts

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os/exec"
	"strings"
	"time"

	"headgate/rules"
)

// DefaultSendmail is the mail program that every mail server for Linux brings.
const DefaultSendmail = "/usr/sbin/sendmail"

// mail hands the digest to the local mail program, which keeps and forwards it.
func (s *Sender) mail(ctx context.Context, alert *rules.Alert, d *Digest) error {
	letter, err := letter(alert.Mail, d)
	if err != nil {
		return fmt.Errorf("mail the alert: %w", err)
	}
	program := s.Sendmail
	if program == "" {
		program = DefaultSendmail
	}
	c := exec.CommandContext(ctx, program, "-t", "-i")
	c.Env = environment()
	if err := feed(ctx, c, letter); err != nil {
		return fmt.Errorf("mail the alert: %w", err)
	}
	return nil
}

// letter is the digest as a mail. Nothing that is told can begin another header:
// the addresses are parsed, the subject and the body encoded.
func letter(to string, d *Digest) ([]byte, error) {
	addresses, err := mail.ParseAddressList(to)
	if err != nil {
		return nil, fmt.Errorf("the address %q: %w", to, err)
	}
	var named []string
	for _, a := range addresses {
		named = append(named, a.String())
	}
	var b bytes.Buffer
	for _, header := range [][2]string{
		{"To", strings.Join(named, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", short(d.Subject))},
		{"Date", d.Time.Format(time.RFC1123Z)},
		{"Auto-Submitted", "auto-generated"}, // no absence notes, please
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\n", header[0], header[1])
	}
	b.WriteString("\n")
	body := quotedprintable.NewWriter(&b)
	if _, err := body.Write([]byte(d.Text)); err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n")), nil // as local mail programs take it
}
