package render

import "testing"

func TestTable(t *testing.T) {
	want := "words by number\na        2\nb        1"
	if got := Table("b a a"); got != want {
		t.Fatalf("Table = %q, want %q", got, want)
	}
}
