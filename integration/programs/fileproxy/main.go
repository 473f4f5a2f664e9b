// Command fileproxy adds a module to a tree that GOPROXY=file://... serves: fileproxy TREE MODULE VERSION DIR.
package main

import (
	"archive/zip"
	"io/fs"
	"log"
	"os"
	"path/filepath"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	tree, module, version, dir := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	at := filepath.Join(tree, module, "@v")
	must(os.MkdirAll(at, 0o755))
	must(os.WriteFile(filepath.Join(at, "list"), []byte(version+"\n"), 0o644))
	must(os.WriteFile(filepath.Join(at, version+".info"), []byte(`{"Version":"`+version+`"}`), 0o644))
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	must(err)
	must(os.WriteFile(filepath.Join(at, version+".mod"), mod, 0o644))
	out, err := os.Create(filepath.Join(at, version+".zip"))
	must(err)
	packed := zip.NewWriter(out)
	must(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		must(err)
		file, err := packed.Create(module + "@" + version + "/" + filepath.ToSlash(name))
		must(err)
		bytes, err := os.ReadFile(path)
		must(err)
		_, err = file.Write(bytes)
		return err
	}))
	must(packed.Close())
	must(out.Close())
}
