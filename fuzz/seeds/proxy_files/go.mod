module example.test/dep // x

go 1.21
