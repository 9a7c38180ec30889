#!/usr/bin/env bash
# Everything that is tested, on a bare clone: scripts/test.sh [STEP…]
#
#   unit       build with warnings as errors, run every test of tests/meson.build
#   style      formatting, include rules between rooms, shell syntax
#   golden     the reference's digests of every model of ../shared/models, where that is there
#   gpu        kernels for every generation of NVIDIA's GPUs, where nvcc is there or can be fetched
#   client     llama.cpp itself (node-llama-cpp) opens a view on a live mount, where npm is there
#
# and, when named:
#   sanitize   the tests under ASan and UBSan (clang), and the concurrent ones under TSan
#   package    the .deb is made, installed in a fresh Debian 12, used there, purged (root, the network, minutes)
#
# Prints what failed, and last `N passed, N failed`.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
logs=$top/build-test-logs
mkdir -p "$logs"
passed=0 failed=0

ok() { passed=$((passed + $1)); }
bad() { failed=$((failed + $1)); }

# check NAME COMMAND…: one test that passes when the command does
check() {
    local name=$1 log
    log=$logs/$(echo "$1" | tr ' /' '__').log
    shift
    if "$@" >"$log" 2>&1; then ok 1; echo "ok    $name"; else bad 1; echo "FAIL  $name"; tail -n 40 "$log"; fi
}

# suite NAME BUILD_DIR [OPTION…]: meson test, counted test by test
suite() {
    local name=$1 dir=$2 log good wrong
    log=$logs/$name.log
    shift 2
    meson test -C "$dir" --print-errorlogs --no-rebuild "$@" >"$log" 2>&1
    good=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
    wrong=$(sed -n 's/^\(Fail\|Timeout\|Unexpected Pass\): *\([0-9]*\).*/\2/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    if [ -z "$good" ]; then bad 1; echo "FAIL  $name: did not run"; tail -n 40 "$log"; return; fi
    ok "$good"; bad "$wrong"
    if [ "$wrong" = 0 ]; then echo "ok    $name ($good tests)"; else echo "FAIL  $name ($wrong of $((good + wrong)))"; grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP)' "$log" | tail -n 80; fi
}

# build DIR OPTION…: 1 test
build() {
    local dir=$1
    shift
    [ -e "$dir/build.ninja" ] || check "configure $(basename "$dir")" meson setup "$dir" "$@"
    check "build $(basename "$dir")" ninja -C "$dir"
}

# nvcc from PyPI, so that the build finds it
toolkit() {
    scripts/cuda-toolkit.sh >"$logs/cuda-toolkit.log" 2>&1 || echo 'skip  nvcc: it is not here and PyPI gives none'
}

step_unit() {
    toolkit
    build build-test --buildtype=release --werror
    suite unit build-test
}

step_gpu() {
    toolkit
    [ -e build-test/build.ninja ] || check 'configure build-test' meson setup build-test --buildtype=release --werror
    ninja -C build-test -t targets all | grep '^gpu-kernels:' >/dev/null || { echo 'skip  gpu: the build has found no nvcc'; return; }
    check 'GPU kernels' ninja -C build-test gpu-kernels
}

step_style() {
    check 'include rules' python3 tests/include_rules.py
    check 'promises name tests that exist' python3 tests/semantics.py
    command -v clang-format >/dev/null &&
        check 'formatting' sh -c 'git ls-files "*.c" "*.h" | grep -vE "_table|avx512_emulated" | xargs clang-format --dry-run -Werror'
    check 'shell syntax' sh -c 'for f in $(git ls-files "*.sh"); do bash -n "$f" || exit 1; done'
}

step_sanitize() {
    CC=clang build build-asan -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized
    ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 suite asan build-asan --no-suite kernels --no-suite reference -t 5
    CC=clang build build-tsan -Db_sanitize=thread -Db_lundef=false --buildtype=debugoptimized
    ARCHER_OPTIONS=enable=0 TSAN_OPTIONS=halt_on_error=1:suppressions=$top/tests/tsan.supp suite tsan build-tsan --suite concurrent -t 5
}

step_package() {
    check 'the package in a fresh Debian' scripts/package-test.sh
}

step_golden() {
    local shared=$top/../shared work=${QUANTFS_TEST_WORK:-$top/build-test-models}
    [ -e "$shared/check/golden.py" ] || { echo 'skip  golden: no ../shared here'; return; }
    local log=$logs/golden.log line names python=python3
    python3 -c 'import numpy' 2>/dev/null || python=/usr/bin/python3 # where Debian's numpy is
    for mode in '' --mount '--shards 3' --imatrix; do
        names=$(cat tests/golden/shared-models.txt)
        # golden.py cannot read the refusal in this model's golden-shards3.txt
        [ "$mode" != '--shards 3' ] || names=${names/gptoss-mxfp4 /}
        # shellcheck disable=SC2086
        $python "$shared/check/golden.py" build-test/quantfs "$work" $names \
            --types "$(cat tests/golden/shared-types.txt)" $mode >"$log" 2>&1
        line=$(tail -n 1 "$log")
        if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
            ok "${BASH_REMATCH[1]}"; bad "${BASH_REMATCH[2]}"
            echo "      golden $mode: $line"
            [ "${BASH_REMATCH[2]}" = 0 ] || grep differs "$log" | head -n 30
        else
            bad 1; echo "FAIL  golden $mode"; tail -n 20 "$log"
        fi
    done
}

step_client() {
    command -v npm >/dev/null || { echo 'skip  client: no npm here'; return; }
    check 'llama.cpp reads a view on a mount' sh tests/client/run.sh build-test/quantfs
}

scripts/install-packages.sh test || { echo '0 passed, 1 failed'; exit 1; }
for step in "${@:-unit style golden gpu client}"; do
    for one in $step; do "step_$one"; done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
