// Command many prints notes. It is the program of the fault matrix: small itself, on top of more than 100 packages, and
// without the large ones of net/http, as each cell of the matrix compiles many of them.
package main

import (
	_ "archive/tar"
	_ "bufio"
	_ "compress/bzip2"
	_ "compress/lzw"
	_ "compress/zlib"
	_ "container/heap"
	_ "container/list"
	_ "container/ring"
	_ "crypto/md5"
	_ "embed"
	_ "encoding/ascii85"
	_ "encoding/base32"
	_ "encoding/base64"
	_ "encoding/binary"
	_ "encoding/csv"
	_ "encoding/hex"
	_ "encoding/json"
	_ "encoding/pem"
	_ "errors"
	_ "flag"
	_ "go/ast"
	_ "go/doc/comment"
	_ "go/scanner"
	_ "go/token"
	_ "hash/adler32"
	_ "hash/crc32"
	_ "hash/crc64"
	_ "hash/fnv"
	_ "hash/maphash"
	_ "html"
	_ "image"
	_ "image/color"
	_ "index/suffixarray"
	_ "io/fs"
	_ "log/slog"
	_ "math/cmplx"
	_ "mime/quotedprintable"
	"os"
	_ "os/signal"
	_ "path/filepath"
	_ "regexp/syntax"
	_ "runtime/debug"
	_ "testing/fstest"
	_ "testing/iotest"
	_ "text/scanner"
	_ "text/tabwriter"
	_ "text/template/parse"
	_ "time"
	_ "unicode"
	_ "unicode/utf16"

	"example.test/many/notes"
	"example.test/many/page"
)

func main() {
	all := notes.New()
	all.Set("a", "first")
	if err := page.Write(os.Stdout, all.Names()); err != nil {
		os.Exit(1)
	}
}
