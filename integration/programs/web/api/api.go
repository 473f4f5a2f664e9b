// Package api is the HTTP side.
package api

import (
	"io"
	"net/http"

	"example.test/web/notes"
	"example.test/web/page"
)

// Handler serves the notes: PUT /NAME sets one, GET / lists them.
func Handler(n *notes.Notes) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			n.Set(r.URL.Path[1:], string(body))
			return
		}
		if err := page.Write(w, n.Names()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
