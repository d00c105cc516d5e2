"""Checks the vector code of a release binary, function by function, for jumps, addresses and divisions that depend on
secrets (taint.py), and that the controls of the constant-time test's binary are found.

    disassembly.py target/release/pirun target/release/examples/constant_time

Checked are all functions of picc's crates with registers of 256 or 512 bits in them: each must have a row of the table
below, and each row at least one function. Arguments are pointers to data or public numbers; where one is a pointer to
something public, the row says so, by register (the first six are rdi, rsi, rdx, rcx, r8, r9; a result in memory is the
first).
"""

import re
import subprocess
import sys

from taint import MIXED, S, Fields, Function, constants, parse, pointers

# A transform's table, and the slices in it, hold primes and roots of unity.
TABLE = dict(rdi=2)
# `Raw` of the micro-kernels: `offsets` and `bases` are public places in the planes.
RAW = dict(rdi=Fields(((0x18, 1), (0x20, 1))))
# Loops over captured layouts and lengths beside slices of secrets. They compare strides and pads by `vptest`. The same source,
# compiled for AVX2, runs under valgrind, which tells the two apart.
LOOPS = dict(rdi=MIXED, rsi=MIXED)

FUNCTIONS = {
    r"crypto::simd::aes(128|256|512)::(stream|mmo|mmo_bits)": {},
    # r9: the list of columns, pointers and lengths.
    r"crypto::simd::aes(128|256|512)::sums": dict(r9=1),
    r"crypto::simd::transpose(256::transpose|512::transpose_step)": {},
    r"crypto::simd::blake3::blake3": {},
    r"crypto::rlwe::simd::avx512::(forward|inverse)": TABLE,
    r"crypto::rlwe::simd::avx512::(accumulate|accumulate_scalar)": {},
    r"crypto::rlwe::simd::fma_ntt::(forward|inverse)": TABLE,
    # rdi: the result; rsi: the table.
    r"crypto::rlwe::simd::fma_ntt::within_four": dict(rsi=2),
    # rdi: constants; rsi: the table; rdx: a factor.
    r"crypto::rlwe::simd::fma_ntt::forward_pass": dict(rdi=1, rsi=2),
    r"crypto::rlwe::simd::fma_ntt::inverse_pass": dict(rdi=1, rsi=2, rdx=1),
    # Lists of slices: sums by reference, then terms.
    r"crypto::rlwe::simd::fma_sums::accumulate": dict(rdi=1, rsi=1),
    r"crypto::rlwe::simd::fma_sums::finish": TABLE,
    r"micro::avx2::(wide|word|half|float)": RAW,
    r"micro::avx512::(wide|wide52|word|half|half_vnni|float)": RAW,
    r"micro::isa::on_avx512": LOOPS,
}
# Parts of others, which the compiler may have inlined.
PARTS = r"within_four|forward_pass|inverse_pass"
# Run under valgrind alone.
ELSEWHERE = r"micro::isa::on_avx2$"
# Functions that are called by those above: a row itself; for the loops any, as they pass lengths and slices on.
CALLEES = r"fma_ntt::(within_four|forward_pass|inverse_pass)"

# Kept in the constant-time test's binary alone: code that must be found.
CONTROLS = {
    r"controls::swap_under": dict(rdx=S),
    r"controls::add_under": dict(r8=S),
    r"controls::select_under": {},
    r"controls::keep_under": {},
    r"controls::product_under": dict(rdi=S),
    # A secret tag: found at the load from the table of places.
    r"controls::one_of_many": dict(rdi=S),
    # The tag is public.
    r"controls::behind_a_table": dict(rsi=S),
    r"controls::quotient": dict(rdi=S),
    r"controls::word_quotient": dict(rdi=S),
    r"controls::looked_up": dict(rsi=S),
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def functions(binary, wanted):
    """Name and lines of the functions whose names match."""
    command = ["objdump", "-d", "-C", "-M", "intel", "--no-show-raw-insn", binary]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        name, lines = None, []
        for line in process.stdout:
            if line[:1].isalnum() and line.endswith(">:\n"):
                if name:
                    yield name, lines
                name, lines = line.split("<", 1)[1][:-3], []
                if not re.search(wanted, name):
                    name = None
            elif name and ":\t" in line:
                lines.append(line)
        if name:
            yield name, lines
    if process.returncode:
        sys.exit(f"{binary}: objdump failed")


def check(name, lines, start, at, words):
    callees, harmless = ("", ["vptest"]) if start is LOOPS else (CALLEES, [])
    return Function(name, [insn for insn in map(parse, lines) if insn], start, at, callees, harmless, words).run()


def main():
    release, harness = sys.argv[1:]
    passed = failed = 0

    def row(name, good, detail):
        nonlocal passed, failed
        good = bool(good)
        passed, failed = passed + good, failed + (not good)
        print(f"{name:<72} {detail}" + ("" if good else "  FAILED"))

    at, words = pointers(run("readelf", "-rW", release), run("nm", "-C", release)), constants(release)
    count, found = dict.fromkeys(FUNCTIONS, 0), {pattern: [] for pattern in FUNCTIONS}
    for name, lines in functions(release, r"^<?picc_(runtime|kernels)::"):
        if re.search(ELSEWHERE, name) or not any("ymm" in line or "zmm" in line for line in lines):
            continue
        pattern = next((p for p in FUNCTIONS if re.search(p + "$", name)), None)
        if pattern is None:
            row(name[:72], False, "vector code that the table does not know")
            continue
        count[pattern] += 1
        found[pattern] += check(name, lines, FUNCTIONS[pattern], at, words)
    for pattern in FUNCTIONS:
        good = (count[pattern] > 0 or re.search(PARTS, pattern)) and not found[pattern]
        row(pattern, good, f"{count[pattern]:>3} functions, {len(found[pattern])} found")
        for line in found[pattern][:10]:
            print("    " + line)

    at, words = pointers(run("readelf", "-rW", harness), run("nm", "-C", harness)), constants(harness)
    controls = dict.fromkeys(CONTROLS, 0)
    for name, lines in functions(harness, r"^constant_time::controls::"):
        for pattern in CONTROLS:
            if re.search(pattern + "$", name):
                lines = check(name, lines, CONTROLS[pattern], at, words)
                # What is only not known to be harmless would be no proof.
                controls[pattern] += sum("secret" in line for line in lines)
    for pattern, number in controls.items():
        row("control: " + pattern, number > 0, f"{number:>3} found")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
