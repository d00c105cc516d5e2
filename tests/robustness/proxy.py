#!/usr/bin/env python3
"""Runs through a proxy that damages one place of one direction: flips a bit, overwrites, cuts, delays, stalls, inserts,
drops or repeats bytes.

    cargo build --release && python3 tests/robustness/proxy.py [RUNS] [SEED]

Over plain TCP, where nothing authenticates the bytes, so a damaged share is a damaged answer: those are counted, not
forbidden. Over TLS they are forbidden: tests/tests/identities/wire.rs. Forbidden: a panic, a hang, an error called a bug, a server that stops serving, threads, sockets or files
that stay behind.
"""

import collections
import json
import random
import socket
import sys
import threading
import time

from common import Folder, Server, client, connect, ended, floats, is_broken, wait_for

MODES = ["flip", "flip", "flip", "noise", "zeros", "ones", "cut", "delay", "stall", "insert", "drop", "repeat"]
PATIENCE = 4


class Proxy:
    """One connection at a time, with the damage of `plan`."""

    def __init__(self, port):
        self.port, self.plan, self.bytes = port, None, {"up": 0, "down": 0}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            far, left = connect(self.port), [2]
            far.settimeout(None)
            for key, a, b in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self.pump, args=(key, a, b, left), daemon=True).start()

    def pump(self, key, a, b, left):
        plan, sent, random_ = self.plan, 0, random.Random(0)
        try:
            while data := a.recv(1 << 16):
                at = plan["at"] - sent
                sent += len(data)
                if plan["direction"] == key and 0 <= at < len(data) and not (data := self.damage(plan, data, at, b, random_)):
                    break
                b.sendall(data)
        except OSError:
            pass
        self.bytes[key] = sent
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        left[0] -= 1
        if left[0] == 0:
            a.close()
            b.close()

    def damage(self, plan, data, at, out, random_):
        before, after = data[:at], data[at:]
        match plan["mode"]:
            case "flip":
                return before + bytes([after[0] ^ 1 << plan["bit"]]) + after[1:]
            case "noise":
                return before + random_.randbytes(min(16, len(after))) + after[16:]
            case "zeros":
                return before + bytes(min(256, len(after))) + after[256:]
            case "ones":
                return before + b"\xff" * min(256, len(after)) + after[256:]
            case "cut":
                out.sendall(before)
                return b""
            case "delay":
                out.sendall(before)
                time.sleep(0.7)
                return after
            case "stall":
                out.sendall(before)
                time.sleep(PATIENCE + 2)
                return b""
            case "insert":
                return before + random_.randbytes(8) + after
            case "drop":
                return before + after[8:] or b"\0"
            case "repeat":
                return before + after[:64] + after
            case _:
                return data


def main(runs=300, seed=7):
    rng = random.Random(seed)
    folder = Folder()
    server = Server(folder, "--timeout", str(PATIENCE), "--threads", "1")
    proxy = Proxy(server.port)
    outcomes = collections.defaultdict(collections.Counter)
    broken, wrong, other, longest, want = [], 0, 0, 0.0, None
    for run in range(int(runs) + 1):
        # The first is not damaged: its answer and its bytes are what the others are compared with.
        direction = rng.choice(["up", "down"])
        size = proxy.bytes[direction] or 1
        at = rng.choice([rng.randrange(300), rng.randrange(70_000), rng.randrange(size), rng.randrange(size)]) % size
        mode = "none" if run == 0 else rng.choice(MODES)
        proxy.plan = {"mode": mode, "direction": direction, "at": at, "bit": rng.randrange(8)}
        sizes = dict(proxy.bytes)
        (folder.path / "y.npy").unlink(missing_ok=True)
        code, printed, seconds = ended(client(folder, proxy.address, "--timeout", str(PATIENCE)), 60)
        longest = max(longest, seconds)
        if code == 0:
            got = floats(folder.path / "y.npy")
            want = want or got
            # Shares are drawn anew in each run and a value may be off by the last bit at each layer.
            off = max(abs(a - b) for a, b in zip(got, want))
            changed = max(range(len(got)), key=got.__getitem__) != max(range(len(want)), key=want.__getitem__)
            outcome = "right" if off < 0.05 else "wrong answer"
            wrong += outcome != "right"
            other += changed
        else:
            outcome = f"exit {code}"
        outcomes[mode][outcome] += 1
        if is_broken(code, printed):
            broken.append((run, mode, direction, at, code, printed[-300:].decode(errors="replace")))
        if run == 0:
            wait_for(lambda: all(proxy.bytes.values()), 30, "the first run's bytes")
            threads, sockets, files = server.status("Threads"), server.sockets(), folder.files()
        else:
            proxy.bytes = sizes
        assert server.child.poll() is None, server.log[-1000:].decode(errors="replace")
    # Sessions that nobody answers end after the timeout; then the server is as it was.
    proxy.plan = {"mode": "none", "direction": "up", "at": 0}
    wait_for(lambda: server.status("Threads") <= threads + 1 and server.sockets() <= sockets + 1, 120, "threads or sockets stay")
    code, printed, _ = ended(client(folder, proxy.address), 60)
    assert code == 0, printed
    if is_broken(0, bytes(server.log)):
        broken.append(("server", server.log[-2000:].decode(errors="replace")))
    left = sorted(set(folder.files()) - set(files))
    print(json.dumps({
        "runs": int(runs), "panics or hangs": len(broken), "wrong answers": wrong, "of them with another class": other,
        "longest run in s": round(longest, 1), "files left": left, "outcomes": outcomes}, indent=1))
    assert not broken and not left, broken


if __name__ == "__main__":
    main(*sys.argv[1:])
