module example.test/naivecache

go 1.24
