// Naivecache is a GOCACHEPROG that shares each entry under Go's own keys and has no rules. It shows what would be wrong without
// them. Its argument is a directory that any user may write.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
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
	KnownCommands []string   `json:",omitempty"`
	Miss          bool       `json:",omitempty"`
	OutputID      []byte     `json:",omitempty"`
	Size          int64      `json:",omitempty"`
	Time          *time.Time `json:",omitempty"`
	DiskPath      string     `json:",omitempty"`
	Err           string     `json:",omitempty"`
}

func main() {
	dir := os.Args[1]
	requests := json.NewDecoder(bufio.NewReader(os.Stdin))
	responses := json.NewEncoder(os.Stdout)
	responses.Encode(response{KnownCommands: []string{"get", "put", "close"}})
	for {
		var asked request
		if err := requests.Decode(&asked); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		answer := response{}
		var err error
		switch asked.Command {
		case "get":
			answer, err = get(dir, asked)
		case "put":
			answer, err = put(dir, asked, requests)
		}
		if err != nil {
			answer.Err = err.Error()
		}
		answer.ID = asked.ID
		responses.Encode(answer)
		if asked.Command == "close" {
			return
		}
	}
}

func get(dir string, asked request) (response, error) {
	var output []byte
	text, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("a-%x", asked.ActionID)))
	if err != nil {
		return response{Miss: true}, nil
	}
	if _, err := fmt.Sscanf(string(text), "%x", &output); err != nil {
		return response{}, err
	}
	return entry(dir, output)
}

// entry answers with a stored output.
func entry(dir string, output []byte) (response, error) {
	path := filepath.Join(dir, fmt.Sprintf("o-%x", output))
	info, err := os.Stat(path)
	if err != nil {
		return response{Miss: true}, nil
	}
	when := info.ModTime()
	return response{OutputID: output, Size: info.Size(), Time: &when, DiskPath: path}, nil
}

func put(dir string, asked request, requests *json.Decoder) (response, error) {
	var body []byte
	if asked.BodySize > 0 {
		if err := requests.Decode(&body); err != nil {
			return response{}, err
		}
	}
	if err := write(dir, fmt.Sprintf("o-%x", asked.OutputID), body); err != nil {
		return response{}, err
	}
	if err := write(dir, fmt.Sprintf("a-%x", asked.ActionID), fmt.Appendf(nil, "%x", asked.OutputID)); err != nil {
		return response{}, err
	}
	return entry(dir, asked.OutputID)
}

// write makes a file, whole or not at all.
func write(dir, name string, content []byte) error {
	file, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return err
	}
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, name))
}
