package api

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"example.test/web/notes"
)

func TestHandler(t *testing.T) {
	handler := Handler(notes.New())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PUT", "/milk", strings.NewReader("two")))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
	if body, _ := io.ReadAll(recorder.Body); string(body) != "<ul><li>milk</li></ul>\n" {
		t.Fatal(string(body))
	}
}
