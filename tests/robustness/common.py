"""What the robustness scripts share: the example's model, a server, a client, and what must not be seen of either.

Python's standard library only; all traffic stays on the loopback interface.
"""

import atexit
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PICC_BIN", ROOT / "target" / "release"))
DATA = ROOT / "examples" / "data"

# A panic, or an error that picc itself calls a bug.
BROKEN = re.compile(rb"panicked|internal error|bug:|overflowed its stack|memory allocation of")


class Folder:
    """A temporary folder with the example's program, weights and input."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="picc-robustness-")
        self.path = pathlib.Path(self.temporary.name)
        compiled = subprocess.run(
            [BIN / "picc", ROOT / "examples/models/pneumonia_vggsmall.onnx", "-o", "model.pi", "--quiet",
             "--calibrate", DATA / "xray_calibration.npy", "--mean", "0.5", "--std", "0.5"],
            cwd=self.path, env=self.environment(), capture_output=True)
        assert compiled.returncode == 0, compiled.stderr.decode()
        (self.path / "x.png").write_bytes((DATA / "xray_pneumonia.png").read_bytes())

    def environment(self):
        # Temporary files and the cache of kernels of the programs under test go here, where they can be counted.
        for name in ("tmp", "cache"):
            (self.path / name).mkdir(exist_ok=True)
        return os.environ | {"TMPDIR": str(self.path / "tmp"), "XDG_CACHE_HOME": str(self.path / "cache")}

    def files(self):
        """Everything in it but finished entries of the cache."""
        found = (p.relative_to(self.path) for p in self.path.rglob("*") if p.is_file())
        return sorted(str(p) for p in found if not (p.parts[0] == "cache" and "tmp" not in p.name))


class Server:
    """`pirun serve`, with its log in memory."""

    def __init__(self, folder, *options):
        self.log = bytearray()
        self.child = subprocess.Popen(
            [BIN / "pirun", "serve", "model.pi", "--weights", "model.piw", "--listen", "127.0.0.1:0", *options],
            cwd=folder.path, env=folder.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        atexit.register(self.kill)
        line = self.child.stderr.readline()
        self.log += line
        assert b"serving" in line, line
        self.address = line.decode().split()[-1]
        self.port = int(self.address.rsplit(":", 1)[1])
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stderr:
            self.log += line

    def status(self, field):
        """A number of /proc/PID/status."""
        text = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s*(\d+)", text, re.M).group(1))

    def sockets(self):
        """Descriptors that are sockets."""
        count = 0
        for entry in pathlib.Path(f"/proc/{self.child.pid}/fd").iterdir():
            try:
                count += os.readlink(entry).startswith("socket:")
            except OSError:
                pass
        return count

    def sessions(self):
        """Sessions that have begun and not ended, by the log."""
        log = bytes(self.log)
        begun = len(re.findall(rb"session \d+: client ", log))
        return begun - len(re.findall(rb"session \d+(?:: \d+ inferences| failed| ended by)", log))

    def kill(self):
        self.child.kill()
        self.child.wait()


def client(folder, address, *options, out="y.npy"):
    """A running `pirun infer`."""
    return subprocess.Popen(
        [BIN / "pirun", "infer", "model.pi", "--server", address, "--input", "x.png", "--threads", "1", "-o", out, *options],
        cwd=folder.path, env=folder.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def ended(child, seconds):
    """`(code, what it printed, seconds)`; the code is "hang" if it had to be killed."""
    start = time.monotonic()
    try:
        printed, _ = child.communicate(timeout=seconds)
        return child.returncode, printed, time.monotonic() - start
    except subprocess.TimeoutExpired:
        child.kill()
        return "hang", child.communicate()[0], time.monotonic() - start


def floats(path):
    """The values of a .npy file of little-endian f4."""
    data = pathlib.Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY" and b"<f4" in data[:128], path
    at = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - at) // 4}f", data[at:])


def is_broken(code, printed):
    """A panic, a signal, an error that is a bug."""
    return code == "hang" or code == 101 or (isinstance(code, int) and code < 0) or BROKEN.search(printed) is not None


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
