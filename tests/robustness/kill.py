#!/usr/bin/env python3
"""`kill -9` of either party at random points of a session.

    cargo build --release && python3 tests/robustness/kill.py [RUNS] [SEED]

When a client dies, its server must say so and serve the next one; when a server dies, its client must end with an error
in bounded time. Neither may leave temporary files.
"""

import collections
import json
import random
import sys
import time

from common import Folder, Server, client, ended, is_broken, wait_for


def main(runs=100, seed=3):
    rng = random.Random(seed)
    folder = Folder()
    server = Server(folder, "--threads", "1")
    for _ in range(2):
        start = time.monotonic()
        code, printed, _ = ended(client(folder, server.address), 60)
        assert code == 0, printed
        whole = time.monotonic() - start
    (folder.path / "y.npy").unlink()
    files = folder.files()
    outcomes, broken, longest = collections.Counter(), [], 0.0
    for run in range(int(runs)):
        victim = "client" if run % 2 == 0 else "server"
        child = client(folder, server.address, "--timeout", "20", out="victim.npy")
        time.sleep(rng.random() * whole)
        if victim == "client":
            finished = child.poll() is not None
            child.kill()
            child.communicate()
            outcomes["client killed" if not finished else "client had finished"] += 1
        else:
            server.kill()
            log = bytes(server.log)
            code, printed, seconds = ended(child, 60)
            longest = max(longest, seconds)
            outcomes[f"server killed, client: exit {code}"] += 1
            if is_broken(code, printed) or is_broken(0, log):
                broken.append((run, code, printed.decode(errors="replace"), log.decode(errors="replace")))
            server = Server(folder, "--threads", "1")
        # The next client is served, while what is left of the other session goes away.
        after = time.monotonic()
        code, printed, _ = ended(client(folder, server.address), 60)
        if code != 0:
            broken.append((run, victim, code, printed.decode(errors="replace")))
        longest = max(longest, time.monotonic() - after)
        wait_for(lambda: server.sessions() == 0, 60, "a session never ended")
    if is_broken(0, bytes(server.log)):
        broken.append(("server", bytes(server.log).decode(errors="replace")))
    for name in ("y.npy", "victim.npy"):
        (folder.path / name).unlink(missing_ok=True)
    left = sorted(set(folder.files()) - set(files))
    print(json.dumps({"runs": int(runs), "outcomes": outcomes, "a session s": round(whole, 2),
                      "longest end or next session s": round(longest, 2), "files left": left}, indent=1))
    assert not broken and not left, broken


if __name__ == "__main__":
    main(*sys.argv[1:])
