// Package word splits text into words.
package word

import (
	"strings"
	"unicode"
)

// Greeting is the text the programs work on when they are given none.
const Greeting = "the quick brown fox jumps over the lazy dog"

// Split returns the words of a text, in lower case.
func Split(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}
