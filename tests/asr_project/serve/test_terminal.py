"""Who gets the terminal's Ctrl-C: the supervisor, and not the make that waits for it."""

import subprocess
import sys

import pytest

# In a terminal of its own (pty.fork), a parent like make waits for a child like the supervisor; then Ctrl-C is typed.
TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[2]])
said = b""
while True:
    try:
        piece = os.read(terminal, 1024)
    except OSError:
        break
    if not piece:
        break
    if b"listening" in piece:
        os.write(terminal, b"\\x03")
    said += piece
os.waitpid(pid, 0)
sys.stdout.write(said.decode())
"""
PARENT = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, lambda *_: print("parent interrupted", flush=True))
print("child ended with", subprocess.run([sys.executable, "-c", sys.argv[1]]).returncode, flush=True)
"""
CHILD = """
import signal, sys, time
from contextlib import nullcontext
from asr_project.serve.terminal import own_foreground
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
with {context}():
    print("listening", flush=True)
    time.sleep(30)
"""
IN_THE_SAME_GROUP = """
import os
from asr_project.serve.terminal import own_foreground
before = os.getpgrp()
with own_foreground():
    assert os.getpgrp() == before
"""


@pytest.mark.parametrize(("context", "is_parent_interrupted"), [("own_foreground", False), ("nullcontext", True)])
def test_ctrl_c_reaches_the_supervisor_alone(context: str, is_parent_interrupted: bool) -> None:
    command = [sys.executable, "-c", TERMINAL, PARENT, CHILD.format(context=context)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert "child ended with 7" in said
    assert ("parent interrupted" in said) is is_parent_interrupted


def test_without_a_terminal_nothing_is_changed() -> None:
    subprocess.run([sys.executable, "-c", IN_THE_SAME_GROUP], stdin=subprocess.DEVNULL, timeout=30, check=True)
