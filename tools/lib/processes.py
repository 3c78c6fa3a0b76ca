"""Processes by recorded identity: a pid alone may name another process by the time it is used."""

import os
import signal
import time


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("ascii", "replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()  # the name may hold spaces and brackets


def start_time(pid):
    """Start of the process in clock ticks since boot; None when there is none, or only its corpse."""
    fields = _stat(pid)
    # The first thread of one that was killed may be gone while the others still hold its files, and the locks on them.
    if not fields or fields[0] == "X" or fields[0] == "Z" and int(fields[17]) <= 1:
        return None
    return int(fields[19])


def identity(pid):
    """What to record: enough to recognise exactly this process later."""
    start = start_time(pid)
    return None if start is None else {"pid": pid, "start": start}


def alive(who):
    return bool(who) and start_time(who["pid"]) == who["start"]


def send(who, number):
    """Signals this process and no other; false when it is gone."""
    if not alive(who):
        return False
    try:
        os.kill(who["pid"], number)
        return True
    except ProcessLookupError:
        return False


def wait_gone(whos, deadline_s):
    """Waits until all are gone; returns those left at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        left = [who for who in whos if alive(who)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)


def stop(whos, deadline_s):
    """SIGTERM, and SIGKILL for what is left at the deadline. Returns those that had to be killed."""
    for who in whos:
        send(who, signal.SIGTERM)
        send(who, signal.SIGCONT)  # a paused process cannot end
    left = wait_gone(whos, deadline_s)
    for who in left:
        send(who, signal.SIGKILL)
    wait_gone(left, 10)
    return left


def below(directory, names):
    """Processes with one of these program names whose command line mentions a path below the directory."""
    needle = os.path.join(os.path.abspath(directory), "").encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        name = os.path.basename(command.split(b"\0", 1)[0]).decode("utf-8", "replace")
        if name in names and needle in command:
            who = identity(int(entry))
            if who:
                found.append(who)
    return found


def usage(pid):
    """Memory (bytes resident) and processor time (seconds) of a process; None when it is gone."""
    fields = _stat(pid)
    if not fields:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return {"rss_bytes": int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
            "cpu_s": (int(fields[11]) + int(fields[12])) / ticks}
