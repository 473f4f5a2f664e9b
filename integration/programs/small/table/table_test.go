package table

import "testing"

func TestKeys(t *testing.T) {
	if got := Keys(map[string]int{"b": 1, "a": 2}); got[0] != "a" {
		t.Fatalf("Keys = %q", got)
	}
}

func TestLongest(t *testing.T) {
	if got := Longest("a bcd ef"); got != "bcd" {
		t.Fatalf("Longest = %q", got)
	}
}
