#!/usr/bin/env bash
# Every family against the live reference: scripts/conformance.sh [NAME…]
#
# Makes a tiny model of each family with transformers (tests/conformance), converts it with llama.cpp's own tools
# and with build/quantfs, and compares the files byte for byte. Needs the reference in $QUANTFS_REFERENCE (default
# ~/.cache/quantfs-reference) and the shared tokenizers. The rows' results go into the table of
# docs/MODELS.md.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
reference=${QUANTFS_REFERENCE:-$HOME/.cache/quantfs-reference}
python=$reference/venv/bin/python
if [ ! -x "$python" ]; then
    echo "$0: no reference in $reference: install llama.cpp v0.5.0 there, or name its folder in QUANTFS_REFERENCE" >&2
    exit 1
fi
[ -e "$top/build/build.ninja" ] || meson setup "$top/build" "$top" --buildtype=release
ninja -C "$top/build" quantfs
exec env CUDA_VISIBLE_DEVICES='' HF_HUB_OFFLINE=1 PYTHONHASHSEED=0 ATEN_CPU_CAPABILITY=avx2 \
    "$python" "$top/tests/conformance/run.py" "$top/build/quantfs" --table "$top/docs/MODELS.md" "$@"
