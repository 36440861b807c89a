package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// exceptionOf returns the short id of the open exception of an order.
func (s *stage) exceptionOf(ctx context.Context, order string) (string, error) {
	out, err := s.command(ctx, "exceptions", "list", "--output", "jsonl").Output()
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
