package count

import (
	"testing"

	"example.test/small/word"
)

func TestWords(t *testing.T) {
	if got := Words(word.Greeting)["the"]; got != 2 {
		t.Fatalf("the = %d, want 2", got)
	}
}
