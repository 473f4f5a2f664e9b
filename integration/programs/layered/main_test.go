package main

import (
	"testing"

	"dep.test/d/plain"
)

func TestTwice(t *testing.T) {
	if plain.Twice("a") != "aa" {
		t.Fatal("not twice")
	}
}
