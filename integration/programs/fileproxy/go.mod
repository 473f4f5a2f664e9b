module example.test/fileproxy

go 1.21
