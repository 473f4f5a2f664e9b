package count

import (
	"os"
	"path/filepath"
	"testing"

	"example.test/small/word"
)

func TestWords(t *testing.T) {
	if got := Words(word.Greeting)["the"]; got != 2 {
		t.Fatalf("the = %d, want 2", got)
	}
}

// Temporary directories lie beside those of the go command, whose names are random.
func TestTemporary(t *testing.T) {
	dir := t.TempDir()
	for up := dir; up != "/"; up = filepath.Dir(up) {
		if _, err := os.Lstat(up); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "words"), []byte("the the"), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "words"))
	if err != nil || Words(string(text))["the"] != 2 {
		t.Fatal(text, err)
	}
}
