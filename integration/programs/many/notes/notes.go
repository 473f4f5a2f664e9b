// Package notes keeps notes in memory.
package notes

import (
	"encoding/json"
	"sort"
	"sync"
)

// Notes is a set of named notes.
type Notes struct {
	mu  sync.Mutex
	all map[string]string
}

// New returns an empty set.
func New() *Notes { return &Notes{all: map[string]string{}} }

// Set adds or replaces a note.
func (n *Notes) Set(name, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all[name] = text
}

// Names returns the names in order.
func (n *Notes) Names() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := make([]string, 0, len(n.all))
	for name := range n.all {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// JSON returns all notes.
func (n *Notes) JSON() ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return json.Marshal(n.all)
}
