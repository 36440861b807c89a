package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
)

// exceptionOf returns the short id of the open exception of an order.
func exceptionOf(ctx context.Context, dir, binary, order string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, "--config", "rules", "exceptions", "export")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("export the exceptions: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var x struct{ ID, Key string }
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return "", fmt.Errorf("read an exception: %w", err)
		}
		if x.Key == order {
			return x.ID[:8], nil
		}
	}
	return "", fmt.Errorf("order %s has no open exception", order)
}
