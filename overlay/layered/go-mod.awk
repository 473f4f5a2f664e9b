# Prints the go.mod of a main module to which a vendor directory belongs, of its modules.txt (cmd/go/internal/modload/vendor.go
# `checkVendorConsistency`, Go 1.21-1.27: each explicit module is required, each replacement is made). Variable go: the version.
BEGIN { print "module layer.invalid/layer\n\ngo " go "\n" }
/^# / {
    line = substr($0, 3)
    arrow = index(line, " => ")
    if (arrow) print "replace " substr(line, 1, arrow - 1) " => " substr(line, arrow + 4)
    split(arrow ? substr(line, 1, arrow - 1) : line, parts, " ")
    path = parts[1]
    version = parts[2] == "" ? "v0.0.0" : parts[2]
}
/^## explicit/ { print "require " path " " version }
