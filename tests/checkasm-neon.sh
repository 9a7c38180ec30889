#!/bin/sh
# checkasm-neon.sh SOURCE_ROOT: builds the kernels for AArch64 with Debian's cross compiler and runs
# checkasm under qemu-user against the stored vectors. Skipped (77) where either is missing.
set -eu
root=$1
shift
cc=aarch64-linux-gnu-gcc
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
if ! command -v $cc >/dev/null || [ -z "$qemu" ]; then
    echo "no $cc or qemu-aarch64 here"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The flags of meson.build and quant/meson.build. xxHash is taken from its header: there is no AArch64
# library of it on an x86-64 machine; what else base/hash.c calls is dropped by the linker.
flags="-std=gnu11 -O3 -ffp-contract=off -fno-fast-math -fno-associative-math -fno-math-errno"
flags="$flags -D_GNU_SOURCE -ffunction-sections -I$root/include"
compile() { # ISA FILE...
    isa=$1
    shift
    for file in "$@"; do
        echo "$cc $flags -DQFS_LANES_ISA=$isa -c $file -o $work/$isa-$(basename "$file").o"
    done
}
{
    for isa in scalar neon; do
        compile $isa "$root"/quant/body_*.c "$root"/quant/isa_table.c
    done
    compile plain "$root"/quant/dispatch.c "$root"/quant/bench.c "$root"/quant/validate.c \
        "$root"/quant/grid*.c "$root"/model/type.c "$root"/base/error.c "$root"/tests/checkasm.c
    echo "$cc $flags -DXXH_INLINE_ALL -idirafter /usr/include" \
        "-idirafter /usr/include/$(gcc -print-multiarch) -c $root/base/hash.c -o $work/hash.o"
} | tr '\n' '\0' | xargs -0 -n1 -P2 sh -c
$cc -static -Wl,--gc-sections "$work"/*.o -o "$work/checkasm" -lpthread -ldl -lm 2>&1 |
    grep -v "dlopen\|in function" || true

aarch64-linux-gnu-ar rc "$work/kernels.a" "$work"/scalar-*.o "$work"/neon-*.o
OBJDUMP=aarch64-linux-gnu-objdump "$root/tests/no_fma.py" "$work/kernels.a"
"$qemu" "$work/checkasm" --isa neon --vectors "$root/tests/data" "$@"
