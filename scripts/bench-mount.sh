#!/usr/bin/env bash
# How fast a mount is: scripts/bench-mount.sh [MODEL] [OPTION…]
#
# One reader against `quantfs cp` and against a FUSE file that only memsets, the second load, the first load of a new
# mount, waiting times beside a reader. Needs /dev/fuse, some minutes and 4 GB of disk for a model of 1 B weights; as
# root it runs before other work. --llama PATH times llama.cpp's own load too. tests/bench/mount_bench.py tells more.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
[ -e "$top/build/build.ninja" ] || meson setup "$top/build" "$top" --buildtype=release
ninja -C "$top/build" quantfs tests/memset_fuse >&2
exec python3 "$top/tests/bench/mount_bench.py" "$top/build/quantfs" "$top/build/tests/memset_fuse" "$@"
