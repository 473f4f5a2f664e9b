// Package table orders the entries of a map.
package table

import (
	"cmp"
	"slices"

	"example.test/small/word"
)

// Keys returns the keys of a map in order.
func Keys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Longest returns the longest word of a text.
func Longest(text string) string {
	return slices.MaxFunc(word.Split(text), func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}
