// Package count counts words.
package count

import "example.test/small/word"

// Words returns how often each word of a text occurs.
func Words(text string) map[string]int {
	counts := make(map[string]int)
	for _, w := range word.Split(text) {
		counts[w]++
	}
	return counts
}
