// Withc prints the numbers that come from C.
package main

import (
	"fmt"

	"example.test/small/clib"
)

func main() { fmt.Println(clib.Answer(), clib.System()) }
