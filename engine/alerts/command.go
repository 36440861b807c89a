package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"headgate/rules"
)

// inherited are the variables a command gets from the daemon. Others may hold
// secrets, or sockets that are not its own.
var inherited = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"}

// command runs the alert's command with the digest as JSON on its standard input.
// HEADGATE_ALERT is the name of the alert, HEADGATE_ALERT_SUBJECT its first line.
func (s *Sender) command(ctx context.Context, alert *rules.Alert, d *Digest, body []byte) error {
	c := exec.CommandContext(ctx, alert.Command[0], alert.Command[1:]...)
	c.Dir = s.Dir
	c.Env = append(environment(), "HEADGATE_ALERT="+alert.Name, "HEADGATE_ALERT_SUBJECT="+d.Subject)
	if err := feed(ctx, c, append(body, '\n')); err != nil {
		return fmt.Errorf("run the command of the alert: %w", err)
	}
	return nil
}

func environment() []string {
	var all []string
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// feed runs a command with an input. When the context ends it is killed, with all it
// started; what it says counts only when it fails.
func feed(ctx context.Context, c *exec.Cmd, input []byte) error {
	said := &tail{}
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), said, said
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 2 * time.Second
	err := c.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well, and left something behind that holds its output
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s did not end in time and was killed", c.Args[0])
	}
	if text := strings.TrimSpace(string(said.last)); text != "" {
		return fmt.Errorf("%s: %w: %s", c.Args[0], err, short(text))
	}
	return fmt.Errorf("%s: %w", c.Args[0], err)
}

// tail keeps the end of what is written to it.
type tail struct{ last []byte }

const maxTail = 1 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.last = append(t.last, b...)
	if over := len(t.last) - maxTail; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(b), nil
}
