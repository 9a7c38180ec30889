#!/usr/bin/env bash
# What must never happen, tried thousands of times: scripts/torture.sh [--seed N] [TEST…]
#
# Half an hour: 1,000 kills while the cache fills, 1,000 damaged caches, 2,000 runs, 400 copies and 100 mounts with failing
# reads, writes, opens, renames and memory, each allocation failing in turn, 100,000 reads of every kind, fio, 64 readers
# that must not have a chunk computed twice, 5 minutes of 64 readers on a mount that is killed, cleared, filled up and replaced.
# The test suite runs a shorter form. tests/torture/torture.py tells more.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
[ -e "$top/build/build.ninja" ] || meson setup "$top/build" "$top" --buildtype=release
ninja -C "$top/build" quantfs tests/libfault.so
exec python3 "$top/tests/torture/torture.py" "$top/build/quantfs" "$top/build/tests/libfault.so" "$@"
