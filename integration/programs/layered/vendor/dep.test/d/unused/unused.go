// Package unused is imported by an edited main program only.
package unused

// Word is what it exports.
const Word = "unused"
