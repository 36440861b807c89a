package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ours refuses to write as root into the directory of another user: its daemon could
// not read then what lies there.
func ours(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return nil // it is made as ours, or the kernel says what we may do
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	name := "#" + strconv.FormatUint(uint64(stat.Uid), 10) // as sudo takes a number
	if u, err := user.LookupId(name[1:]); err == nil {
		name = u.Username
	}
	return &exit{exitUsage, fmt.Errorf("%s belongs to %s, who could not read what root leaves there: say it as that user\n  sudo -u '%s' headgate …", oneLine(dir), oneLine(name), oneLine(name))}
}
