#!/bin/sh
# Installs a package in a fresh Debian 12, uses it there, purges it, and looks at what is left.
#
#   scripts/package-test.sh [PACKAGE.deb]      without one, scripts/package.sh makes it
#
# Needs root, debootstrap, the network (or a mirror: MIRROR=http://…). ROOT=DIR keeps the fresh Debian between runs.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo 'package-test.sh needs root: it makes a Debian and enters it' >&2; exit 1; }
package=${1:-$("$top/scripts/package.sh")}
mirror=${MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d "${TMPDIR:-/tmp}/quantfs-package.XXXXXX")
fresh=${ROOT:-$work/debian}
inside() { chroot "$fresh" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
say() { printf '\n== %s\n' "$*"; }
cleanup() {
    umount "$fresh/mnt/gguf" "$fresh/home/visitor/gguf" 2>/dev/null || true
    umount "$fresh/proc" 2>/dev/null || true
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say 'a fresh Debian 12'
[ -e "$fresh/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$fresh" "$mirror" >"$work/debootstrap.log" ||
    { tail "$work/debootstrap.log" >&2; exit 1; }
cat "$fresh/etc/debian_version"
cp /etc/resolv.conf "$fresh/etc/resolv.conf"
[ -e "$fresh/dev/fuse" ] || mknod -m 666 "$fresh/dev/fuse" c 10 229
[ -e "$fresh/etc/mtab" ] || ln -s ../proc/self/mounts "$fresh/etc/mtab" # as installed systems have it; fusermount3 reads it
mount -t proc proc "$fresh/proc"
inside apt-get update -qq

# What the package brings along is installed before, so that a purge is compared with the same Debian.
mkdir -p "$fresh/tmp/package"
cp "$package" "$fresh/tmp/package/quantfs.deb"
inside sh -c 'apt-get install -y -qq --no-install-recommends $(dpkg-deb -f /tmp/package/quantfs.deb Depends |
    sed "s/([^)]*)//g; s/,/ /g; s/|[^,]*//g") man-db python3-venv >/dev/null 2>&1
    useradd --create-home visitor'

python3 "$top/tests/golden/make_model.py" tiny-llama "$fresh/tmp/package/tiny-llama"
everything() { (cd "$fresh" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./var/cache/apt -o -path ./var/lib/apt \
    -o -path ./home -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache/ldconfig -o -path ./var/cache/man \) -prune -o -print) | LC_ALL=C sort; }
everything >"$work/before"

say 'installed'
inside apt-get install -y -qq /tmp/package/quantfs.deb 2>/dev/null | grep -i quantfs
inside dpkg -L quantfs | grep -cv '/$'
inside quantfs --version
inside quantfs doctor /tmp/package/tiny-llama || true
inside sh -c 'ldconfig -p | grep libquantfs; man -w quantfs quantfs-mount mount.quantfs quantfs-options; dpkg --verify quantfs'

say 'a view is mounted and read'
want=$(awk '$1 == "tiny-llama" && $2 == "Q4_K_M" { print $4 }' "$top/tests/golden/digests.txt")
inside mkdir -p /mnt/gguf
inside quantfs mount /tmp/package/tiny-llama /mnt/gguf
inside ls -l /mnt/gguf
got=$(inside sha256sum /mnt/gguf/tiny-llama-Q4_K_M.gguf | cut -c1-64)
echo "sha256 $got"
[ "$got" = "$(inside quantfs sha256 /tmp/package/tiny-llama Q4_K_M | cut -c1-64)" ]
[ -z "$want" ] || [ "$got" = "$want" ] || { echo "not the reference's digest, $want" >&2; exit 1; }
inside quantfs umount /mnt/gguf
inside rmdir /mnt/gguf

say 'as mount(8) and fstab know it'
inside mkdir -p /mnt/gguf
inside mount -t quantfs -o cache=/var/cache/quantfs /tmp/package/tiny-llama /mnt/gguf
inside cmp /mnt/gguf/tiny-llama-Q8_0.gguf /mnt/gguf/tiny-llama-Q8_0.gguf
inside umount /mnt/gguf
inside rmdir /mnt/gguf

say 'by a user who is not root'
inside su visitor -c 'mkdir ~/gguf && quantfs mount --types Q4_K_M /tmp/package/tiny-llama ~/gguf && sha256sum ~/gguf/*.gguf &&
    quantfs umount ~/gguf' >"$work/visitor"
cat "$work/visitor"
grep -q "^$got" "$work/visitor"

say 'from Python: pip install, with the package'"'"'s libquantfs'
mkdir "$fresh/tmp/package/src"
cp -r "$top/python" "$top/meson.build" "$fresh/tmp/package/src"
[ -z "${PIP_CERT:-}" ] || cp "$PIP_CERT" "$fresh/tmp/package/certificates"
inside sh -c '[ ! -e /tmp/package/certificates ] || export PIP_CERT=/tmp/package/certificates
    cd /tmp/package && python3 -m venv venv && venv/bin/pip install -q ./src/python && venv/bin/python -c "
import hashlib, fsspec, quantfs
view = quantfs.open(\"tiny-llama\")[\"Q4_K_M\"]
print(view, view.tensors[\"output_norm.weight\"].numpy()[:4])
with fsspec.open(\"quantfs:///tmp/package/tiny-llama/tiny-llama-Q4_K_M.gguf\") as file:
    print(hashlib.sha256(file.read()).hexdigest())"' >"$work/python"
cat "$work/python"
grep -q "^$got" "$work/python"

say 'purged'
inside apt-get purge -y -qq quantfs 2>/dev/null | grep -i quantfs
inside rm -rf /root/.cache/quantfs # root's own cache, which is no part of the package
inside sh -c 'rmdir /root/.cache 2>/dev/null' || true
everything >"$work/after"
if diff "$work/before" "$work/after" && ! inside dpkg -s quantfs >/dev/null 2>&1; then
    echo 'nothing is left'
else
    echo 'the files above are left' >&2
    exit 1
fi
rm -rf "$fresh/tmp/package"
say 'passed'
