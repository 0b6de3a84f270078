# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at a terminal of the host: waits for words, and types."""

import json

from laboratory import PATIENCE

# Runs on the host: argv[1] is [command, [[pattern, answer], ...], seconds].
# Prints {"status": ..., "text": ...}; a pattern that never comes is -1, an
# answer of null hangs up.
CODE = r'''
import json, os, pty, re, select, sys, time
command, steps, seconds = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp(command[0], command)
text, seen, status = "", 0, None
deadline = time.monotonic() + seconds

def read():
    """More of the text; False at its end, or when the time is over."""
    global text
    left = deadline - time.monotonic()
    if left <= 0 or not select.select([fd], [], [], left)[0]:
        return False
    try:
        data = os.read(fd, 65536)
    except OSError:
        data = b""
    text += data.decode("utf-8", "replace").replace("\r", "")
    return data != b""

for pattern, answer in steps:
    found = re.compile(pattern).search(text, seen)
    while not found and read():
        found = re.compile(pattern).search(text, seen)
    if not found:
        status = -1
        break
    seen = len(text)
    if answer is None:
        status = 0
        break
    os.write(fd, answer.encode() + b"\n")
while status is None and read():
    pass
if time.monotonic() >= deadline:
    status = -1
if status is not None:
    os.kill(pid, 9)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps({"status": code if status is None else status,
                  "text": text}))
'''


class Talk:
    """How it went: the exit status (-1: not as expected) and the screen."""

    def __init__(self, status, text):
        self.status, self.text = status, text
        self.lines = [line.strip() for line in text.splitlines()]

    def __repr__(self):
        return f"Talk({self.status}, {self.text!r})"


def converse(lab, command, *steps, seconds=PATIENCE):
    """Run a command at a terminal; steps are (pattern, answer) in turn.

    The last answer may be None: the person has seen enough and goes.
    """
    result = lab.host("/usr/bin/python3", "-c", CODE,
                      json.dumps([command, steps, seconds]),
                      timeout=seconds + 10)
    assert result.returncode == 0, result.stderr
    return Talk(**json.loads(result.stdout))
