module example.test/countproxy

go 1.21
