#include "../go_asm.h"
	.incbin "/data/x.bin"
	.include "../x.go"
TEXT x(SB), 4, $0
	-I../x --sysroot=/data .. ./../x//..///y
