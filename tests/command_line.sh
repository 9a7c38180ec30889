#!/bin/sh
# The commands as a user meets them: help, exit codes, every way of reading giving the same bytes, the cache between
# two mounts, resumed copies.    command_line.sh QUANTFS WORK_DIR
set -u
quantfs=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$work"
mkdir -p "$work"
export XDG_CACHE_HOME="$work/cache"
passed=0 failed=0
t() { # t WHAT COMMAND…: the command succeeds
    what=$1
    shift
    if "$@" >"$work/out" 2>"$work/err"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $what"; cat "$work/out" "$work/err"; fi
}
exits() { # exits CODE COMMAND…: with that code, and words on stderr
    want=$1
    shift
    "$@" >"$work/out" 2>"$work/err"
    got=$?
    if [ $got = "$want" ] && [ -s "$work/err" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL exit $got, not $want: $*"; cat "$work/err"; fi
}
python3 "$here/golden/make_model.py" tiny-llama "$work/tiny-llama"
model=$work/tiny-llama
view=tiny-llama-Q4_K_M.gguf

t 'version' sh -c "'$quantfs' --version | grep -q 'llama.cpp v0.5.0'"
for command in mount umount ls cat cp plan check sha256 verify prefetch status cache bench doctor; do
    t "$command --help" sh -c "'$quantfs' $command --help | grep -q '^usage: quantfs $command'"
    exits 2 "$quantfs" $command --no-such-option
done
exits 2 "$quantfs"
exits 2 "$quantfs" no-such-command
exits 2 "$quantfs" cat "$model"
exits 2 "$quantfs" cat "$model" $view --length x
exits 1 "$quantfs" cat "$model" no-such-view.gguf
exits 1 "$quantfs" cat "$work/nowhere" $view
exits 2 "$quantfs" mount "$model" "$work" -o no_such_option
cp "$work/err" "$work/named"
t 'the option is named' grep -q no_such_option "$work/named"

t 'ls --json' sh -c "'$quantfs' ls --json '$model' | python3 -c 'import json, sys; assert any(v[\"name\"] == \"$view\" for v in json.load(sys.stdin))'"
t 'plan --json' sh -c "'$quantfs' plan --json '$model' $view | python3 -c 'import json, sys; assert len(json.load(sys.stdin)[\"tensors\"]) == 21'"
t 'check' "$quantfs" check "$model"
t 'doctor' sh -c "'$quantfs' doctor '$model' >'$work/doctor'; grep -q kernels '$work/doctor'"
found() { # found STATE WORDS SOURCE: the doctor says so of SOURCE
    "$quantfs" doctor --json "$3" | python3 -c 'import json, sys
found = json.load(sys.stdin)["findings"]
sys.exit(not any(f["state"] == sys.argv[1] and sys.argv[2] in f["text"] + f.get("todo", "") for f in found))' "$1" "$2"
}
mkdir "$work/healthy" "$work/sick" "$work/sick/lfs" "$work/sick/half"
cp "$model/config.json" "$work/sick/lfs"
cp "$model/config.json" "$work/sick/half"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n' >"$work/sick/lfs/model.safetensors"
: >"$work/sick/half/model.safetensors.incomplete"
cp -r "$model" "$work/healthy/one"
cp -r "$work/sick/half" "$work/healthy/half"
t 'doctor: a model' found ok 'architecture llama' "$model"
t 'doctor: no importance matrix' found note 'importance matrix' "$model"
t 'doctor: nothing there' found bad 'no such directory' "$work/nowhere"
t 'doctor: Git LFS' found note 'git lfs pull' "$work/sick/lfs"
t 'doctor: half a download' found note 'not finished' "$work/sick/half"
t 'doctor: a folder of models' found ok 'a folder of 2 models' "$work/healthy"
t 'doctor: one of them cannot be shown' found note 'is not shown' "$work/healthy"

complete() { # complete WORD…: what bash completion offers for the last of these words
    PATH=$(dirname "$quantfs"):$PATH bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quantfs; printf "%s\n" "${COMPREPLY[@]}"' \
        "$here/../scripts/completion/quantfs.bash" "$@"
}
t 'completion of commands' sh -c "[ '$(complete quantfs pre)' = prefetch ]"
t 'completion of options' sh -c "[ '$(complete quantfs cat "$model" --tensor-type-f)' = --tensor-type-file ]"
t 'completion of views' sh -c "[ '$(complete quantfs cat "$model" tiny-llama-Q4_K_M)' = $view ]"

"$quantfs" cat "$model" $view >"$work/whole"
t 'sha256' sh -c "[ \"\$('$quantfs' sha256 '$model' $view | cut -c1-64)\" = \"\$(sha256sum <'$work/whole' | cut -c1-64)\" ]"
t 'sha256 --json' sh -c "'$quantfs' sha256 --json '$model' $view | grep -q \"\$(sha256sum <'$work/whole' | cut -c1-64)\""
t 'prefetch --json' sh -c "'$quantfs' prefetch --json '$model' $view | tail -n 1 | grep -q '\"done\":834208,\"size\":834208}'"
t 'no colours but on terminals' sh -c "! '$quantfs' doctor | grep -q \"\$(printf '\033')\""
t 'colours on terminals' sh -c "TERM=xterm script -qec \"'$quantfs' doctor\" /dev/null | grep -q \"\$(printf '\033')\""
t 'NO_COLOR' sh -c "! NO_COLOR=1 TERM=xterm script -qec \"'$quantfs' doctor\" /dev/null | grep -q \"\$(printf '\033')\""
t 'offset and length' sh -c "'$quantfs' cat '$model' $view --offset 12345 --length 333333 | cmp - '$work/whole' -i 0:12345 -n 333333"
t 'no cache' sh -c "'$quantfs' cat --no-cache '$model' $view | cmp - '$work/whole'"
t 'cp' "$quantfs" cp "$model" $view "$work/copy"
t 'cp is the same' cmp "$work/copy" "$work/whole"
t 'a verified source' sh -c "'$quantfs' cat --verify-source '$model' $view | cmp - '$work/whole'"
hub=$work/hub/models--o--tiny-llama
mkdir -p "$hub/blobs" "$hub/snapshots/1" "$hub/refs"
printf 1 >"$hub/refs/main"
cp "$model"/*.json "$model"/*.model "$hub/snapshots/1"
digest=$(sha256sum <"$model/model.safetensors" | cut -c1-64)
cp "$model/model.safetensors" "$hub/blobs/$digest"
ln -s "../../blobs/$digest" "$hub/snapshots/1/model.safetensors"
"$quantfs" cat --no-cache "$hub" $view >"$work/hub.gguf"
t 'a verified hub blob' sh -c "'$quantfs' cat --verify-source '$hub' $view | cmp - '$work/hub.gguf'"
printf x | dd of="$hub/blobs/$digest" bs=1 seek=123456 conv=notrunc 2>"$work/err"
exits 1 "$quantfs" cat --verify-source "$hub" $view
t 'cache stat' sh -c "'$quantfs' cache stat --json | grep -q '\"chunks\"'"
t 'cache verify' "$quantfs" cache verify
t 'cache clear' "$quantfs" cache clear
t 'cleared' sh -c "'$quantfs' cache stat --json | python3 -c 'import json, sys; assert json.load(sys.stdin)[\"chunks\"] == 0'"

if [ -w /dev/fuse ]; then
    mnt=$work/mnt
    mkdir "$mnt"
    t 'mount' "$quantfs" mount --cache-min-free 1 "$model" "$mnt"
    exits 1 "$quantfs" mount --cache-min-free 1 "$model" "$mnt"
    t 'cat' cmp "$mnt/$view" "$work/whole"
    t 'dd' sh -c "dd if='$mnt/$view' bs=1M status=none | cmp - '$work/whole'"
    t 'dd direct' sh -c "dd if='$mnt/$view' bs=1M iflag=direct status=none | cmp - '$work/whole'"
    t 'cp from the mount' sh -c "cp '$mnt/$view' '$work/cp' && cmp '$work/cp' '$work/whole'"
    t 'mmap' python3 -c "
import mmap
f = open('$mnt/$view', 'rb')
assert mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:] == open('$work/whole', 'rb').read()"
    t '8 readers at random offsets' python3 -c "
import os, random
from concurrent.futures import ThreadPoolExecutor
whole = open('$work/whole', 'rb').read()
def read(seed):
    r, fd = random.Random(seed), os.open('$mnt/$view', os.O_RDONLY)
    for _ in range(200):
        at, n = r.randrange(len(whole)), r.randrange(1, 200000)
        assert os.pread(fd, n, at) == whole[at:at + n]
list(ThreadPoolExecutor(8).map(read, range(8)))"
    t 'read-only' sh -c "! touch '$mnt/x' 2>/dev/null && ! rm -f '$mnt/$view' 2>/dev/null && ! sh -c 'echo > \"$mnt/$view\"' 2>/dev/null"
    t 'status' sh -c "'$quantfs' status '$mnt' | python3 -m json.tool"
    t 'umount' "$quantfs" umount "$mnt"
    t 'empty again' sh -c "[ -z \"\$(ls '$mnt')\" ]"
    t 'mount again' "$quantfs" mount --cache-min-free 1 "$model" "$mnt"
    t 'second read' cmp "$mnt/$view" "$work/whole"
    t 'from the disk cache' sh -c "'$quantfs' status '$mnt' >'$work/status'; python3 '$here/status_hits.py' '$work/status'"
    t 'umount again' "$quantfs" umount "$mnt"
    "$quantfs" mount -f "$model" "$mnt" 2>"$work/log" &
    daemon=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$mnt/$view" ] && break; sleep 0.3; done
    t 'foreground' cmp "$mnt/$view" "$work/whole"
    kill -TERM $daemon
    t 'SIGTERM ends it cleanly' wait $daemon
    t 'and detaches' sh -c "[ -z \"\$(ls '$mnt')\" ]"
else
    echo 'no /dev/fuse: mounts are not tested'
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
