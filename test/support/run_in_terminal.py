"""Runs a command in a new terminal: `on_terminal.py COLUMNS ROWS COMMAND...`.

Copies the output of the command to standard output, and types what it reads from standard input. Exits with the exit code
of the command.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios

columns, rows = int(sys.argv[1]), int(sys.argv[2])
started, start = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.read(started, 1)
    os.execvp(sys.argv[3], sys.argv[3:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
os.write(start, b".")

sources = [terminal, 0]
while True:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:  # Linux: the command has closed the terminal.
            data = b""
        if source == terminal and not data:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if not data:
            sources.remove(0)
        else:
            os.write(terminal if source == 0 else 1, data)
