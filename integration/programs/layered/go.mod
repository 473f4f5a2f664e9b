module example.test/layered

go 1.21

require dep.test/d v1.2.3
