# Prints the go.mod of a main module to which a vendor directory belongs, of its modules.txt (cmd/go/internal/modload/vendor.go
# `checkVendorConsistency`, Go 1.21-1.27: each explicit module is required, each replacement is made). Variable go: what `go env
# GOVERSION` prints. A module that is replaced whatever its version is has none in modules.txt; go.mod needs one.
BEGIN {
    version = match(go, /^go[0-9]+\.[0-9]+/) ? substr(go, 3, RLENGTH - 2) : "1.21"
    print "module layer.invalid/layer\n\ngo " version "\n"
}
/^# / {
    line = substr($0, 3)
    arrow = index(line, " => ")
    if (arrow) print "replace " substr(line, 1, arrow - 1) " => " substr(line, arrow + 4)
    split(arrow ? substr(line, 1, arrow - 1) : line, parts, " ")
    path = parts[1]
    version = parts[2] == "" ? "v0.0.0" : parts[2]
}
/^## explicit/ { print "require " path " " version }
