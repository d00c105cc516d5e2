#!/usr/bin/env bash
# The constant-time test: every protocol under valgrind with secrets undefined, with vector code as far as valgrind has it
# and with portable code and the kernel interpreter; then the disassembly of the release binary, for the vector code that
# valgrind does not have.
# Needs valgrind, binutils and python3, on x86-64.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in valgrind objdump readelf python3; do
    command -v "$tool" >/dev/null || { echo "constant-time: $tool is missing" >&2; exit 2; }
done

# Code as it ships: incremental compilation divides it otherwise.
export CARGO_INCREMENTAL=0

# One selection of packages for both, so that dependencies are built once.
build() { cargo build --release --quiet --workspace "$@"; }
build --features picc-runtime/taint --example constant_time
build --bin pirun
harness=target/release/examples/constant_time
logs=target/constant-time
mkdir -p "$logs"

failed=0
run() {
    local name=$1 log="$logs/$1.log"
    shift
    printf -- '-- valgrind, %s code\n' "$name"
    # All reports are counted; the controls must be among them.
    if ! env RAYON_NUM_THREADS=2 "$@" valgrind --tool=memcheck --error-limit=no --leak-check=no --undef-value-errors=yes \
        --suppressions=tests/constant-time/valgrind.supp --log-file="$log" "$harness" ${CASES:-}; then
        failed=1
        echo "first reports of $log:"
        grep -A6 -E 'Conditional jump|Use of uninit' "$log" | head -60
    fi
}
run vector
run portable PICC_TAINT_PORTABLE=1

echo '-- disassembly'
python3 -B tests/constant-time/disassembly.py target/release/pirun "$harness" || failed=1
exit "$failed"
