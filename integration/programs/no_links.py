"""no_links.py PROGRAM ARG...: runs a program for which every link(2) fails with EPERM, as on file systems without hard links."""

import ctypes
import os
import struct
import sys

# Of linux/audit.h, asm/unistd.h: the architecture, and its numbers of link and linkat.
CALLS = {"x86_64": (0xC000003E, [86, 265]), "aarch64": (0xC00000B7, [37])}
ARCHITECTURE, REFUSED = CALLS[os.uname().machine]
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001

# struct seccomp_data has the call's number at 0 and the architecture at 4 (seccomp(2)).
filters = [(LOAD, 0, 0, 4), (EQUALS, 1, 0, ARCHITECTURE), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, 0)]
for number in REFUSED:
    filters += [(EQUALS, 0, 1, number), (RETURN, 0, 0, EPERM)]
filters += [(RETURN, 0, 0, ALLOW)]

code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in filters))
program = struct.pack("HxxxxxxP", len(filters), ctypes.addressof(code))
prctl = ctypes.CDLL(None, use_errno=True).prctl
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
for arguments in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)]:
    if prctl(*arguments) != 0:
        sys.exit(f"no_links.py: prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
