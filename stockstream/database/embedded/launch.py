"""Run a program of PostgreSQL's so that it ends with us: `python -I -S launch.py MODE PARENT ...`.

A script of its own, started without site packages: what it does must happen between fork and
exec, where our own process with its threads may run no Python. MODE is `self`, or, because
PostgreSQL refuses to run as root: `namespace` (user nobody in a user namespace of its own, where
our files still are its files) or `nobody` (the real one, which must be able to reach the files).
PARENT is the process whose end ends the program, by SIGINT, which is its fast and clean shutdown.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x1000_0000
PR_SET_PDEATHSIG = 1
NOBODY = 65534


def main() -> None:
    """Become who MODE says, tie the own life to PARENT's, become the program."""
    mode, parent, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if mode == "namespace":
        group = os.getgid()
        if libc.unshare(CLONE_NEWUSER) != 0:
            sys.exit(f"no user namespace: {os.strerror(ctypes.get_errno())}")
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} 0 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1", encoding="ascii")
    elif mode == "nobody":
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    os.setsid()
    # After the change of user, which would clear it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != int(parent):
        sys.exit("the starting process has ended")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
