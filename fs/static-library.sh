#!/bin/sh
# static-library.sh OUT WORK_DIR OBJCOPY ARCHIVE... -- CC...: links archives into one object, makes its
# hidden symbols local, and puts it into the archive OUT.
set -eu
out=$1 work=$2 objcopy=$3 archives=
shift 3
while [ "$1" != -- ]; do
    archives="$archives $1"
    shift
done
shift
mkdir -p "$work"
# shellcheck disable=SC2086
"$@" -r -nostdlib -o "$work/quantfs.o" -Wl,--whole-archive $archives -Wl,--no-whole-archive
"$objcopy" --localize-hidden "$work/quantfs.o"
rm -f "$out"
ar rcs "$out" "$work/quantfs.o"
