"""Runs a program and tells what it cost: processor time with that of its children, wall time, peak memory."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass


@dataclass
class Cost:
    """What a program cost; `status` is its exit status, `late` whether it was stopped because it took too long."""

    cpu: float
    wall: float
    megabytes: float
    status: int
    late: bool = False


def run(command, folder, limit=None, environment=None):
    """Runs `command` in `folder`, its output thrown away; stops it with all that it started after `limit` seconds."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    late = threading.Event()

    def stop():
        late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit, stop) if limit else None
    if timer:
        timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if timer:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    # The memory is that of the largest single process, as the kernel counts it.
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, process.returncode, late.is_set())


def machine():
    """The machine in a line."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / 2**20
    kernel = os.uname().release
    return f"{len(models)} x {models[0] if models else 'unknown processor'}, {memory:.0f} GiB, Linux {kernel}"
