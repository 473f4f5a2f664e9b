package golden

import (
	"os"
	"testing"
)

// The file is an input of the test: its result may be reused only while the content is the same.
func TestLineIsGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := Line("fox", 1) + "\n"; got != string(want) {
		t.Fatalf("Line = %q, the golden file has %q", got, want)
	}
}

// So is the environment variable.
func TestEnvironment(t *testing.T) {
	if os.Getenv("SMALL_MUST_FAIL") != "" {
		t.Fatal("SMALL_MUST_FAIL is set")
	}
}
