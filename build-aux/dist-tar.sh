#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes the directory named on the command line to standard output as a tar
# archive that depends on the content of its files alone: names in order, nobody
# as their owner, and one time for all. That is SOURCE_DATE_EPOCH, else the time
# of the last commit, else (in an unpacked tarball) that of the last release.
set -eu

directory=$1
sources=$(cd "$(dirname "$0")/.." && pwd)

if ! tar --version 2>/dev/null | grep -q 'GNU tar'; then
  echo 'dist-tar.sh: without GNU tar every tarball is another' >&2
  tar chof - "$directory"
  exit
fi

time=${SOURCE_DATE_EPOCH-}
# A tarball may be unpacked inside another repository.
if test -z "$time" && test -e "$sources/.git"; then
  time=$(git -c safe.directory='*' -C "$sources" log -1 --format=%ct \
    2>/dev/null) || time=
fi
test -n "$time" || time=$(stat -c %Y "$sources/include/fluv/version.h")

LC_ALL=C tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
  --mode=u+rw,go=rX,a-s --mtime="@$time" -chf - "$directory"
