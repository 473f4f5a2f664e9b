package withc

// #include "eight.h"
import "C"

// Eight is eight.
func Eight() int { return int(C.eight()) }
