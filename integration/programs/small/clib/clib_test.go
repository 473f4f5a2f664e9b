package clib

import "testing"

func TestAnswer(t *testing.T) {
	if got := Answer(); got == 0 {
		t.Fatal("no answer")
	}
}
