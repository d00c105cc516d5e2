#!/usr/bin/env python3
"""Mutated files of every kind through both command lines: each run ends in time, with an exit code of its own choice,
without a panic and without memory that its input does not justify.

    cargo build --release && python3 tests/robustness/files.py [FILES] [SEED]

A `.pi` with a wrong digest is refused at once; `fuzz_short` and `tests/fuzz` mutate programs behind a right one.
"""

import collections
import io
import json
import os
import random
import subprocess
import sys
import time
import zipfile

from common import BIN, DATA, ROOT, Folder, is_broken

# A run takes far less than a second on an idle machine.
SECONDS = 60
# An undamaged run takes up to 60 MB; a mutant may claim larger tensors, within the limits of the parsers.
MEGABYTES = 1024

REFERENCE = ["pirun", "reference", "{pi}", "--weights", "{piw}", "--input", "{input}", "--first", "2", "--threads", "1"]
COMMANDS = {
    "onnx": [["picc", "check", "{file}"]],
    "pi": [["picc", "inspect", "{file}"], REFERENCE],
    "piw": [REFERENCE],
    "npy": [REFERENCE],
    "npz": [REFERENCE],
    "png": [REFERENCE, REFERENCE + ["--resize"]],
    "toml": [["picc", "inspect", "{pi}", "--profile", "{file}"]],
}
ROLE = {"pi": "pi", "piw": "piw", "npy": "input", "npz": "input", "png": "input"}
TOKENS = [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\xff" * 4, b"\xff" * 8, b"0", b"-1", b"9223372036854775807", b"1e400", b"nan"]


def mutated(data, rng):
    """One to four places changed, or the end missing."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        # Headers are where the parsers are.
        at = rng.randrange(min(len(data), 400) if rng.random() < 0.5 else len(data)) if data else 0
        match rng.randrange(7):
            case 0 | 1 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at:at + rng.randrange(64)]
            case 3:
                data[at:at] = rng.choice(TOKENS)
            case 4:
                token = rng.choice(TOKENS)
                data[at:at + len(token)] = token
            case 5:
                start = rng.randrange(len(data) + 1)
                data[at:at] = data[start:start + rng.randrange(64)]
            case _ if rng.random() < 0.3:
                del data[at:]
    return bytes(data)


def run(command, folder):
    """Exit code or "hang", output, peak megabytes."""
    start = time.monotonic()
    with open(folder.path / "printed", "wb") as out:
        child = subprocess.Popen(command, cwd=folder.path, env=folder.environment(), stdout=out, stderr=out)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - start > SECONDS:
                child.kill()
                os.wait4(child.pid, 0)
                return "hang", b"", 0
            time.sleep(0.002)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, (folder.path / "printed").read_bytes(), usage.ru_maxrss / 1024


def main(files=7000, seed=5):
    rng = random.Random(seed)
    folder = Folder()
    paths = {"pi": folder.path / "model.pi", "piw": folder.path / "model.piw", "input": DATA / "xray_calibration.npy"}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("x.npy", paths["input"].read_bytes())
    profile = subprocess.run([BIN / "pirun", "calibrate", "--seconds", "0.001", "-o", "seed.toml", "--threads", "1"],
                             cwd=folder.path, env=folder.environment(), capture_output=True)
    assert profile.returncode == 0, profile.stderr.decode()
    seeds = {
        "onnx": (ROOT / "examples/models/pneumonia_vggsmall.onnx").read_bytes(),
        "pi": paths["pi"].read_bytes(), "piw": paths["piw"].read_bytes(), "npy": paths["input"].read_bytes(),
        "npz": archive.getvalue(), "png": (folder.path / "x.png").read_bytes(),
        "toml": (folder.path / "seed.toml").read_bytes()}
    (folder.path / "seed.toml").unlink()

    before, outcomes, broken, most, longest = None, collections.defaultdict(collections.Counter), [], 0, 0.0
    for number in range(-len(seeds), int(files)):
        kind = list(seeds)[number % len(seeds)]
        # The first of each kind are not damaged.
        data = mutated(seeds[kind], rng) if number >= 0 else seeds[kind]
        file = folder.path / f"mutant.{kind}"
        file.write_bytes(data)
        roles = {name: str(path) for name, path in paths.items()} | {"file": str(file)}
        roles |= {ROLE[kind]: str(file)} if kind in ROLE else {}
        command = rng.choice(COMMANDS[kind])
        start = time.monotonic()
        code, printed, peak = run([BIN / command[0], *(word.format(**roles) for word in command[1:])], folder)
        longest, most = max(longest, time.monotonic() - start), max(most, peak)
        assert number >= 0 or code == 0, (kind, printed)
        if number >= 0:
            outcomes[kind][str(code)] += 1
        if is_broken(code, printed) or peak > MEGABYTES or code not in (0, 1, 2):
            broken.append((number, kind, code, peak, printed[-400:].decode(errors="replace")))
            (folder.path.parent / f"picc-mutant-{number}.{kind}").write_bytes(data)
        file.unlink()
        before = before or folder.files()
    left = sorted(set(folder.files()) - set(before))
    print(json.dumps({"files": int(files), "panics, hangs or too much memory": len(broken), "most memory MB": round(most),
                      "longest s": round(longest, 2), "files left": left, "exit codes": outcomes}, indent=1))
    assert not broken and not left, broken


if __name__ == "__main__":
    main(*sys.argv[1:])
