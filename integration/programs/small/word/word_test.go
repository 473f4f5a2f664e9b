package word

import "testing"

func TestSplit(t *testing.T) {
	if got := Split("One, two; THREE"); len(got) != 3 || got[2] != "three" {
		t.Fatalf("Split = %q", got)
	}
}
