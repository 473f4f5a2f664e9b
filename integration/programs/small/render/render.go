// Package render makes the table of words.
package render

import (
	"strings"

	"example.test/small/count"
	"example.test/small/embedded"
	"example.test/small/golden"
	"example.test/small/table"
)

// Table returns the words of a text with their numbers, under the title.
func Table(text string) string {
	counts := count.Words(text)
	lines := []string{embedded.Title()}
	for _, w := range table.Keys(counts) {
		lines = append(lines, golden.Line(w, counts[w]))
	}
	return strings.Join(lines, "\n")
}
