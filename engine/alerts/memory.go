package alerts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"headgate/engine/durable"
)

// Told is what one alert on one channel has told, and when.
type Told struct {
	Sent  time.Time            `json:"sent"`
	Until map[string]time.Time `json:"until"` // by flow: the latest event that was told
}

// Memory keeps what was told over restarts, by alert and channel.
type Memory interface {
	// Load returns what Save kept; nothing before the first time.
	Load() (map[string]Told, error)
	Save(map[string]Told) error
}

// File is a memory in a file, replaced as a whole.
type File string

// Load reads the file.
func (f File) Load() (map[string]Told, error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which alerts were sent: %w", err)
	}
	told := make(map[string]Told)
	if err := json.Unmarshal(text, &told); err != nil {
		return nil, fmt.Errorf("read which alerts were sent: %s: %w", f, err)
	}
	return told, nil
}

// Save replaces the file. It is on disk when Save returns.
func (f File) Save(told map[string]Told) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep which alerts were sent: %w", err)
		}
	}()
	text, err := json.MarshalIndent(told, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(string(f), append(text, '\n'))
}

var _ Memory = File("")
