module example.test/poisoncache

go 1.24
