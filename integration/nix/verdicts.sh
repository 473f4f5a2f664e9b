#!/bin/bash
# What the tests of the module say, a line a package, without times; then what vet says of one package.
export GOFLAGS=${GOFLAGS//-trimpath/}
go test -vet=off ./... 2>&1 | grep -oE '^(ok|FAIL)[[:space:]]+example\.test/[^[:space:]]+' | sort -u
go vet ./word > /dev/null 2>&1 && echo 'ok vet' || echo 'FAIL vet'
