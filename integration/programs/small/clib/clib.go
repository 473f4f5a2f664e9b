//go:build cgo

// Package clib gets a number from C, or without cgo a fixed one.
package clib

// #cgo CFLAGS: -I${SRCDIR}/../shared
// #include "clib.h"
import "C"

// Answer returns what the C headers say.
func Answer() int { return int(C.clib_answer()) }

// System returns what the compiler's own headers say, 0 where they say nothing.
func System() int { return int(C.clib_system()) }
