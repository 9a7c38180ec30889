#!/bin/sh
# On a machine with an NVIDIA GPU: every format's kernel, with and without importances, over the vectors of
# tests/checkasm.c and random ones, byte for byte as on the CPU: scripts/test-gpu.sh [BLOCKS]
# BLOCKS (20000) is how many random blocks of each format are compared. Prints the GPU's name first; exits 77 where
# there is none.
set -eu
cd "$(dirname "$0")/.."
build=build-gpu
scripts/cuda-toolkit.sh >/dev/null
[ -e $build/build.ninja ] || meson setup $build --buildtype=release -Dcuda=enabled
ninja -C $build gpu-kernels tests/checkasm_gpu
QUANTFS_GPU_KERNELS=$build/quant/cuda
export QUANTFS_GPU_KERNELS
$build/tests/checkasm_gpu --isa device --type q8_0 # is there a GPU?
exec $build/tests/checkasm_gpu --vectors tests/data --blocks "${1:-20000}"
