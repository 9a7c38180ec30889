#!/bin/sh
# Builds the Debian package of this tree and installs it; `apt-get purge quantfs` takes it away again.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
"$top/scripts/install-packages.sh" package
echo 'building, which takes some minutes'
package=$("$top/scripts/package.sh" 2>/dev/null) || { "$top/scripts/package.sh"; exit 1; }
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
work=$(mktemp -d) # apt reads it as a user of its own
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
install -m 644 "$package" "$work/quantfs.deb"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --reinstall --allow-downgrades "$work/quantfs.deb" >/dev/null
quantfs --version
quantfs doctor || true
