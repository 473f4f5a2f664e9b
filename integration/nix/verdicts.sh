#!/bin/bash
# What the tests of the module say, a line a package, without times.
export GOFLAGS=${GOFLAGS//-trimpath/}
go test -vet=off ./... 2>&1 | grep -oE '^(ok|FAIL)[[:space:]]+example\.test/[^[:space:]]+' | sort -u
