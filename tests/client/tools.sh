#!/bin/sh
# llama.cpp's own tools read views on a live mount as they read files: the same perplexity and importance matrix, and
# gguf-py's reader finds the same keys and tensors. Exit 77 where the reference or /dev/fuse is missing.   tools.sh QUANTFS WORK_DIR
set -u
reference=${QUANTFS_REFERENCE:-$HOME/.cache/quantfs-reference}
bin=$reference/tools/bin
[ -x "$bin/llama-imatrix" ] && [ -w /dev/fuse ] || { echo 'the reference or /dev/fuse is not here'; exit 77; }
quantfs=$(readlink -f "$1")
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$2" && mkdir -p "$2/mnt" "$2/files" && cd "$2" || exit 1
export XDG_CACHE_HOME="$PWD/cache"
failed=0
same() { # same WHAT FILE FILE
    if [ -s "$2" ] && cmp -s "$2" "$3"; then echo "ok   $1"; else failed=1; echo "FAIL $1"; head -c 400 "$2" "$3"; fi
}

# What these tools print goes through a thread of its own, which now and then is not heard out: then they run again.
told() { # told FILE PATTERN COMMAND…: what the command prints of the pattern
    to=$1 pattern=$2
    shift 2
    for _ in 1 2 3 4 5 6 7 8; do
        "$@" >"$to.log" 2>&1 </dev/null
        grep -ao "$pattern" "$to.log" >"$to" && return
    done
}

python3 "$here/../golden/make_model.py" tiny-llama tiny-llama
awk 'BEGIN { srand(1); for (i = 0; i < 4000; i++) printf "%s ", substr("abcdefghijklmnopqrst", 1 + int(rand() * 18), 1 + int(rand() * 3)) }' >text
"$quantfs" mount tiny-llama mnt || exit 1
trap '"$quantfs" umount mnt' EXIT
for view in Q4_K_M BF16; do "$quantfs" cp --no-cache -q tiny-llama $view "files/tiny-llama-$view.gguf"; done

for from in files mnt; do
    model=$from/tiny-llama-Q4_K_M.gguf
    told "$from.tokens" 'eval time.*runs' "$bin/llama-completion" -m $model -p 'abc def' -n 16 --temp 0 -no-cnv -c 64 -t 1
    told "$from.ppl" 'PPL = .*' "$bin/llama-perplexity" -m $model -f text -c 64 --chunks 4 -t 1
    (cd "$from" && "$bin/llama-imatrix" -m tiny-llama-BF16.gguf -f ../text -c 64 --chunks 4 -t 1 -o "$OLDPWD/$from.gguf" >/dev/null 2>&1)
    "$bin/llama-gguf-split" --split --split-max-tensors 8 $model "$from-part" >/dev/null 2>&1
    PYTHONPATH=$reference/llama.cpp/gguf-py "$reference/venv/bin/python" - $model >"$from.reader" <<'END'
import hashlib, sys
from gguf import GGUFReader
reader = GGUFReader(sys.argv[1])
for name, field in reader.fields.items():
    print(name, [t.name for t in field.types], hashlib.sha256(repr(field.contents()).encode()).hexdigest())
for t in reader.tensors:
    print(t.name, t.tensor_type.name, list(t.shape), hashlib.sha256(t.data.tobytes()).hexdigest())
END
done
for from in files mnt; do
    [ -s $from.tokens ] && echo "ok   llama-completion of $from" || { failed=1; echo "FAIL llama-completion of $from"; }
done
same 'llama-perplexity' files.ppl mnt.ppl
same 'llama-imatrix' files.gguf mnt.gguf
same 'llama-gguf-split' files-part-00001-of-00003.gguf mnt-part-00001-of-00003.gguf
same 'gguf-py reader' files.reader mnt.reader

# The importance matrix that llama-imatrix made from one view makes another.
"$quantfs" cp --no-cache -q --imatrix mnt.gguf tiny-llama IQ2_XS files/ours.gguf
"$bin/llama-quantize" --imatrix mnt.gguf mnt/tiny-llama-BF16.gguf files/theirs.gguf IQ2_XS 1 >/dev/null 2>&1
same 'IQ2_XS by that importance matrix' files/ours.gguf files/theirs.gguf
exit $failed
