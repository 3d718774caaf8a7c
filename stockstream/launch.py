"""Run a program so that it ends with us: `python -I -S launch.py MODE USER GROUP PARENT ...`.

A script of its own, started without site packages: what it does must happen between fork and
exec, where our own process with its threads may run no Python. MODE is `self`, or, because
PostgreSQL refuses to run as root: `namespace` (USER and GROUP in a user namespace of its own, where
our files still are its files) or `nobody` (the real ones).
PARENT is the process whose end ends the program, by SIGINT: a fast and clean shutdown of PostgreSQL
and of NATS.
Without a program it only tests whether one could be run so.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x1000_0000
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Change to MODE's user, tie the own life to PARENT's, become the program."""
    mode, *numbers = sys.argv[1:5]
    user, group, parent = map(int, numbers)
    command = sys.argv[5:]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if mode == "namespace":
            ours = os.getgid()
            if libc.unshare(CLONE_NEWUSER) != 0:
                sys.exit(f"no user namespace: {os.strerror(ctypes.get_errno())}")
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} 0 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {ours} 1", encoding="ascii")
        elif mode == "nobody":
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
    except OSError as error:
        sys.exit(error.strerror)
    os.setsid()
    # After the change of user, which would clear it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:
        sys.exit("the starting process has ended")
    if command:
        try:
            os.execv(command[0], command)  # noqa: S606 - no shell is wanted
        except OSError as error:
            sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
