package page

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var out strings.Builder
	if err := Write(&out, []string{"a", "<b>"}); err != nil || out.String() != "<ul><li>a</li><li>&lt;b&gt;</li></ul>\n" {
		t.Fatal(out.String(), err)
	}
}
