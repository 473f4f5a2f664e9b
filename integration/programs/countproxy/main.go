// Command countproxy stands between module proxies and a GOPROXY and notes each request in a file, as "STATUS BYTES PATH":
// countproxy LOG URL, where URL may be a file:// tree. It prints its own URL. What LOG.fault says is done to zip files in place of an answer: a status,
// "cut" (the connection is reset in the middle), "short" (it ends there in order, as if that were all), "html", "sleep".
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	path := os.Args[1]
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	notes, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	var proxy http.Handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		// A client that goes away is no news.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if upstream.Scheme == "file" {
		proxy = http.FileServer(http.Dir(upstream.Path))
	}
	// One writes a line while no other does.
	var mutex sync.Mutex
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &counting{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			mutex.Lock()
			defer mutex.Unlock()
			fmt.Fprintf(notes, "%d %d %s\n", counted.status, counted.bytes, strings.TrimPrefix(r.URL.Path, "/"))
		}()
		fault, _ := os.ReadFile(path + ".fault")
		if word := string(bytes.TrimSpace(fault)); word != "" && strings.HasSuffix(r.URL.Path, ".zip") {
			fail(counted, r, proxy, word)
			return
		}
		proxy.ServeHTTP(counted, r)
	})))
}

func fail(w *counting, r *http.Request, proxy http.Handler, word string) {
	switch word {
	case "sleep":
		time.Sleep(10 * time.Minute)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>Sign in to the network</body></html>")
	case "cut", "short":
		whole := &recorder{header: http.Header{}}
		proxy.ServeHTTP(whole, r)
		if word == "cut" {
			w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
		}
		w.Write(whole.body.Bytes()[:whole.body.Len()/2])
		if word == "cut" {
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	default:
		status, err := strconv.Atoi(word)
		if err != nil {
			log.Fatal(err)
		}
		w.WriteHeader(status)
	}
}

// counting counts what is answered.
type counting struct {
	http.ResponseWriter
	status, bytes int
}

func (c *counting) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += n
	return n, err
}

func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// recorder keeps an answer.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
