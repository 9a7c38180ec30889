#!/bin/sh
# Installs what building and using quantfs needs, from the distribution (Debian 12, Ubuntu 22.04 or later). Does nothing
# where everything is there already. With `test`: also what the tests need; with `package`: what scripts/package.sh needs.
set -eu
packages='gcc libc6-dev meson ninja-build pkg-config libfuse3-dev fuse3 libcjson-dev libzstd-dev libxxhash-dev libpcre2-dev
libutf8proc-dev libyaml-dev libssl-dev libseccomp-dev ca-certificates python3 python3-pip'
[ "${1:-}" = test ] && packages="$packages g++ clang libclang-rt-14-dev libomp-14-dev python3-numpy python3-cffi python3-fsspec
gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user valgrind fio binutils"
[ "${1:-}" = package ] && packages="$packages dpkg-dev binutils git"
missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: install these packages yourself:$missing" >&2; exit 1; }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
