// Package embedded holds the title of the table as an embedded file.
package embedded

import (
	_ "embed"
	"strings"
)

//go:embed title.txt
var title string

// Title returns the title, without the line's end.
func Title() string { return strings.TrimSpace(title) }
