"""Plays a hostile build: in the archives that a go command puts it replaces a text by another, on the way to its cache program.

Arguments: the text, another one of the same length, then the cache program. That one is run as a child of the go command, as it
looks at its parent.
"""
import base64
import hashlib
import json
import os
import sys

text, other = (argument.encode() for argument in sys.argv[1:3])
read, write = os.pipe()
if os.fork():
    os.close(write)
    os.dup2(read, 0)
    os.execvp(sys.argv[3], sys.argv[3:])
os.close(read)
client = os.fdopen(write, "wb")
for line in sys.stdin.buffer:
    if not line.strip():
        continue
    request = json.loads(line)
    if request["Command"] == "put" and request.get("BodySize", 0) > 0:
        body_line = b"\n"
        while not body_line.strip():
            body_line = sys.stdin.buffer.readline()
        body = base64.b64decode(json.loads(body_line))
        if body.startswith(b"!<arch>") and text in body:
            body = body.replace(text, other)
            request["OutputID"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        line = json.dumps(request).encode() + b"\n" + json.dumps(base64.b64encode(body).decode()).encode() + b"\n"
    client.write(line)
    client.flush()
