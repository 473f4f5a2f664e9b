package notes

import "testing"

func TestNames(t *testing.T) {
	n := New()
	n.Set("b", "2")
	n.Set("a", "1")
	if got := n.Names(); len(got) != 2 || got[0] != "a" {
		t.Fatal(got)
	}
	if body, err := n.JSON(); err != nil || string(body) != `{"a":"1","b":"2"}` {
		t.Fatal(string(body), err)
	}
}
