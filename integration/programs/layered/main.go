// Layered uses packages of Go, of C and of assembly from its vendor directory.
package main

import (
	"fmt"

	"dep.test/d/plain"
	"dep.test/d/withasm"
	"dep.test/d/withc"
	"example.test/layered/words"
)

func main() { fmt.Println(plain.Twice(words.Text), withasm.Seven(), withc.Eight()) }
