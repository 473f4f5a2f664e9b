// Command web serves notes over HTTP. It is the program of the fault matrix: small itself, on top of 100 packages.
package main

import (
	"crypto/tls"
	"flag"
	"log"
	"net/http"

	"example.test/web/api"
	"example.test/web/notes"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	server := &http.Server{Addr: *listen, Handler: api.Handler(notes.New()), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	log.Fatal(server.ListenAndServe())
}
