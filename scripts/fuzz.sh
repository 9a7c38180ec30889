#!/usr/bin/env bash
# Fuzzes a target of tests/fuzz with libFuzzer, ASan and UBSan: scripts/fuzz.sh TARGET [SECONDS [CORPUS_DIR]]
#
# Targets are the fuzz_*.c there without that prefix: gguf, imatrix, plan, … New inputs go to CORPUS_DIR
# (default build-fuzz/corpus/TARGET); those of tests/data/fuzz/TARGET are read too, and replayed by
# `meson test`. A crash is left as crash-* in the current directory: put it there once it is fixed.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
target=${1:?name a target: $(cd "$top/tests/fuzz" && echo fuzz_*.c | sed 's/fuzz_//g; s/\.c//g')}
seconds=${2:-60} build=$top/build-fuzz
corpus=${3:-$build/corpus/$target}
[ -e "$build/build.ninja" ] || CC=clang meson setup "$build" "$top" --buildtype=debugoptimized \
    -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
libraries=(fs/libfs.a cache/libcache.a quant/libquant.a gguf/libgguf.a arch/libarch.a model/libmodel.a base/libbase.a)
needed=()
for library in "${libraries[@]}"; do
    # A target may need only the lower rooms.
    case $target in gguf | imatrix | plan | tokenizer | torch) case $library in fs/* | cache/* | quant/*) continue ;; esac ;; esac
    needed+=("$library")
done
ninja -C "$build" "${needed[@]}" >/dev/null
clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -std=gnu11 -I"$top/include" -I"$top/fs" \
    "$top/tests/fuzz/fuzz_$target.c" -o "$build/fuzz_$target" -Wl,--start-group "${needed[@]/#/$build/}" -Wl,--end-group \
    $(pkg-config --libs libxxhash libcrypto libzstd yaml-0.1 libpcre2-8 libutf8proc libcjson) -lm
mkdir -p "$corpus"
seeds=$top/tests/data/fuzz/$target
exec "$build/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    "$corpus" $([ -d "$seeds" ] && echo "$seeds")
