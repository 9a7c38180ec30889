#!/bin/sh
# Makes a Debian package of this tree: program, library, header, man pages, completions, systemd template.
#
#   scripts/package.sh [OUT_DIR]           OUT_DIR: where the .deb goes, build-package by default
#
# Needs what building needs and dpkg-dev (scripts/install-packages.sh package). The same tree gives the same bytes:
# times are those of the last commit. scripts/package-test.sh installs the result in a fresh Debian.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$top/build-package}
mkdir -p "$out"
out=$(cd "$out" && pwd)
build=$out/build root=$out/root
here=$top/scripts/package
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

architecture=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
[ -e "$build/build.ninja" ] || meson setup "$build" "$top" --buildtype=release --prefix=/usr --sysconfdir=/etc \
    --libdir="lib/$multiarch" -Dtests=false >"$out/setup.log" || { cat "$out/setup.log" >&2; exit 1; }
ninja -C "$build" >"$out/build.log" || { tail -n 40 "$out/build.log" >&2; exit 1; }
version=$(meson introspect "$build" --projectinfo | sed -n 's/.*"version": "\([^"]*\)".*/\1/p')

rm -rf "$root"
DESTDIR=$root meson install -C "$build" --no-rebuild --strip >"$out/install.log"
doc=$root/usr/share/doc/quantfs
mkdir -p "$root/DEBIAN" "$root/etc/quantfs" "$doc"
install -m 644 "$top/README.md" "$top"/docs/*.md "$doc"
install -m 644 "$here/copyright" "$doc/copyright"
sed 's/^/ /; s/^ $//' "$top/LICENSE" >>"$doc/copyright"
printf '\n' >>"$doc/copyright"
cat "$top/NOTICE" >>"$doc/copyright"
printf 'quantfs (%s) stable; urgency=medium\n\n  * Release %s.\n\n -- The quantfs authors <quantfs@localhost>  %s\n' \
    "$version" "$version" "$(date -uRd "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
gzip -9n "$root"/usr/share/man/man*/*
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions" # where Debian's zsh looks

# What the program and the library are linked with decides what the package depends on.
work=$out/shlibdeps
rm -rf "$work"
mkdir -p "$work/debian"
printf 'Source: quantfs\n\nPackage: quantfs\nArchitecture: any\n' >"$work/debian/control"
library=$(find "$root/usr/lib/$multiarch" -name 'libquantfs.so.*' -type f)
depends=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/quantfs" "$library" 2>"$out/shlibdeps.log" |
    sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$out/shlibdeps.log" >&2; exit 1; }
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@DEPENDS@/$depends/" \
    "$here/control" >"$root/DEBIAN/control"
soversion=$(basename "$(find "$root/usr/lib/$multiarch" -name 'libquantfs.so.[0-9]' -type l)" | sed 's/.*\.//')
echo "libquantfs $soversion quantfs (>= $version)" >"$root/DEBIAN/shlibs"
echo 'activate-noawait ldconfig' >"$root/DEBIAN/triggers"
for script in postinst prerm postrm; do install -m 755 "$here/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +
chmod -R go-w "$root"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >&2
ls "$out"/quantfs_"$version"_"$architecture".deb
