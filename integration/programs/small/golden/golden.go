// Package golden formats a number of words.
package golden

import "fmt"

// Line formats one line of the table.
func Line(name string, n int) string { return fmt.Sprintf("%-8s %d", name, n) }
