// Package page renders the list of notes.
package page

import (
	"html/template"
	"io"
)

var list = template.Must(template.New("list").Parse("<ul>{{range .}}<li>{{.}}</li>{{end}}</ul>\n"))

// Write renders the names.
func Write(w io.Writer, names []string) error { return list.Execute(w, names) }
