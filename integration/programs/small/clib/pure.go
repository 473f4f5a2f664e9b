//go:build !cgo

// Package clib gets a number from C, or without cgo a fixed one.
package clib

// Answer returns what stands in for the C headers' answer.
func Answer() int { return -1 }

// System returns 0: there are no system headers.
func System() int { return 0 }
