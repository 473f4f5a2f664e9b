package m

// #cgo CFLAGS: -I../x -I ${SRCDIR}/../include -isystem /data/include
// #cgo LDFLAGS: -L${SRCDIR}/../../lib -Wl,-rpath,/data/lib -lx
// #include "../y.h"
import "C"
