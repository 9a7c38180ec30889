#!/bin/sh
# Fetches NVIDIA's compiler for the GPU kernels from PyPI: scripts/cuda-toolkit.sh [DIR]
# About 250 MB, no root; DIR is ~/.cache/quantfs-cuda, where builds look, or CUDA_HOME=DIR/nvidia/cu13 tells them.
# Does nothing where a toolkit is there.
# With --where: prints the folders in which a build looks for nvcc.
set -eu
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/quantfs-cuda
version='13.0.*'
where() {
    [ -z "${CUDA_HOME:-}" ] || echo "$CUDA_HOME/bin"
    echo "$1/nvidia/cu13/bin"
    echo /usr/local/cuda/bin
}
case ${1:-} in
--where)
    where "$cache"
    exit 0
    ;;
-*)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
dir=${1:-$cache}
for folder in $(where "$dir"); do
    if [ -x "$folder/nvcc" ]; then
        echo "$folder/nvcc"
        exit 0
    fi
done
mkdir -p "$dir"
# Into a folder of its own first: an interrupted download leaves nothing that looks complete.
part=$(mktemp -d "$dir/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$part/all" \
    "nvidia-cuda-nvcc==$version" "nvidia-nvvm==$version" "nvidia-cuda-crt==$version" "nvidia-cuda-runtime==$version"
[ -x "$part/all/nvidia/cu13/bin/nvcc" ] || {
    echo "the packages hold no nvcc for this machine: install NVIDIA's CUDA toolkit and set CUDA_HOME" >&2
    exit 1
}
rm -rf "$dir/nvidia"
mv "$part/all/nvidia" "$dir/nvidia"
echo "$dir/nvidia/cu13/bin/nvcc"
