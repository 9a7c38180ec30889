#!/bin/sh
# A real client: llama.cpp (node-llama-cpp with its prebuilt library) opens views on a live mount, by mmap, and gives the
# same tokens or the same embedding as from a plain file of the reference's bytes.    run.sh QUANTFS
#
# The plain file is a copy made by `quantfs cp`, whose SHA-256 must be the reference's (digests.txt, or the golden.txt
# beside this project where there is one).
set -eu
quantfs=$(readlink -f "$1")
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=${QUANTFS_CLIENT_WORK:-$top/build-test-client}
mkdir -p "$work"
cp "$here/package.json" "$here/client.mjs" "$work/"
[ -d "$work/node_modules/node-llama-cpp" ] ||
    (cd "$work" && npm install --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error)
export XDG_CACHE_HOME="$work/cache"

check() { # check MODEL_DIR TYPE SHA256 MODE
    name=$(basename "$1")
    view=$name-$2.gguf
    mkdir -p "$work/mnt"
    rm -f "$work/$view"
    "$quantfs" cp "$1" "$view" "$work/$view"
    got=$(sha256sum "$work/$view" | cut -c1-64)
    [ "$got" = "$3" ] || { echo "$view is $got, not the reference's $3"; exit 1; }
    "$quantfs" mount "$1" "$work/mnt"
    (cd "$work" && node client.mjs "$4" "$work/$view" && node client.mjs "$4" "$work/mnt/$view") >"$work/out" ||
        { cat "$work/out"; "$quantfs" umount "$work/mnt"; exit 1; }
    "$quantfs" umount "$work/mnt"
    cat "$work/out"
    [ "$(sed -n 1p "$work/out")" = "$(sed -n 2p "$work/out")" ] || { echo "$view: the mount gives another answer"; exit 1; }
    [ "$(sed -n 1p "$work/out" | wc -c)" -gt 20 ] || { echo "$view: no answer"; exit 1; }
}

tiny=$work/tiny-llama
[ -e "$tiny/config.json" ] || python3 "$top/tests/golden/make_model.py" tiny-llama "$tiny"
check "$tiny" Q4_K_M "$(sed -n 's/^tiny-llama Q4_K_M [0-9]* //p' "$top/tests/golden/digests.txt")" tokens
# The same from each layout of a folder of models.
root=$work/root
view=tiny-llama-Q4_K_M.gguf
mkdir -p "$root/maker"
[ -e "$root/maker/tiny-llama" ] || ln -s "$tiny" "$root/maker/tiny-llama"
for layout in flat tree hub; do
    "$quantfs" mount --layout $layout --types Q4_K_M "$root" "$work/mnt"
    file=$(find "$work/mnt" -name "$view")
    (cd "$work" && node client.mjs tokens "$work/$view" && node client.mjs tokens "$file") >"$work/out" ||
        { cat "$work/out"; "$quantfs" umount "$work/mnt"; exit 1; }
    "$quantfs" umount "$work/mnt"
    [ "$(sed -n 1p "$work/out")" = "$(sed -n 2p "$work/out")" ] || { echo "$file: gives another answer"; exit 1; }
    echo "$layout: ${file#"$work/mnt/"}"
done
minilm=$("$top/scripts/fetch-minilm.sh")
check "$minilm" Q8_0 "$(sed -n 's/^all-MiniLM-L6-v2 Q8_0 [0-9]* //p' "$top/tests/golden/minilm-digests.txt")" embedding
echo "llama.cpp reads views on a mount as it reads files"
