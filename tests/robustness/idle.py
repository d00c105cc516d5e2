#!/usr/bin/env python3
"""50 sockets that say nothing and 4 clients that are stopped in the middle of a session: how long an honest client
takes then, beside its normal time; and what a stranger costs the server.

    cargo build --release && python3 tests/robustness/idle.py
"""

import json
import os
import signal
import statistics
import sys
import time

from common import Folder, Server, client, connect, ended, stop, wait_for

TRIES = 7


def honest(folder, server):
    """Seconds of an honest client, several times."""
    times = []
    for _ in range(TRIES):
        start = time.monotonic()
        code, printed, _ = ended(client(folder, server.address), 120)
        assert code == 0, printed
        times.append(time.monotonic() - start)
    return times


def main():
    folder = Folder()
    # Strangers stay for the whole measurement.
    server = Server(folder, "--handshake-seconds", "600", "--threads", "1")
    honest(folder, server)
    normal = honest(folder, server)

    idle = [connect(server.port) for _ in range(50)]
    stopped, tries = [], 0
    while len(stopped) < 4:
        tries += 1
        assert tries < 200, "no client could be stopped in the middle"
        child = client(folder, server.address, "--network", "1Mbit,20ms", out=f"stopped{tries}.npy")
        wait_for(lambda: server.sessions() > len(stopped), 60, "no session began")
        time.sleep(0.2)
        if child.poll() is None:
            stop(child.pid)
            stopped.append(child)
    running = server.sessions()
    beside = honest(folder, server)
    for child in stopped:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()

    threads, before = server.status("Threads"), server.status("VmRSS")
    more = [connect(server.port) for _ in range(200)]
    for s in more:
        s.sendall(b"\0\1\0\0\1")
    time.sleep(1)
    cost = (server.status("VmRSS") - before) / len(more)
    print(json.dumps({
        "normal s": round(statistics.median(normal), 2),
        "beside 50 idle sockets and 4 stopped clients s": round(statistics.median(beside), 2),
        "longest s": round(max(beside), 2), "sessions that stand still": running,
        "memory of a stranger kB": round(cost, 2), "threads of 200 strangers": server.status("Threads") - threads},
        indent=1))
    assert running == 4 and max(beside) < statistics.median(normal) + 2
    assert cost < 100 and server.status("Threads") <= threads
    del idle, more


if __name__ == "__main__":
    main(*sys.argv[1:])
