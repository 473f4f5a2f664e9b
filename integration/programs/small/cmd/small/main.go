// Small prints the table of words of its arguments, or of a fixed text.
package main

import (
	"fmt"
	"os"
	"strings"

	"example.test/small/render"
	"example.test/small/word"
)

// version is set by the linker.
var version = "none"

func main() {
	text := strings.Join(os.Args[1:], " ")
	if text == "" {
		text = word.Greeting
	}
	fmt.Println(render.Table(text))
	fmt.Println("version", version)
}
