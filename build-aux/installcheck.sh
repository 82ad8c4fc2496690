#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds a sample as a user would, with what "make install" has put into place
# and what pkg-config says about it, shared and static, and runs it. The sample
# is named on the command line.
set -eu

# These come from the Makefile.
: "${top_srcdir:?}" "${prefix:?}" "${libdir:?}" "${pkgconfigdir:?}" "${CC:?}"

root=${DESTDIR-}
export PKG_CONFIG_PATH="$root$pkgconfigdir${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
pkg_config=${PKG_CONFIG:-pkg-config}
test -z "$root" ||
  pkg_config="$pkg_config --define-variable=prefix=$root$prefix"

name=$(basename "$1")
expected=$top_srcdir/samples/$name.out
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# try WHAT FLAG...: the flags are for pkg-config.
try() {
  what=$1
  shift
  # shellcheck disable=SC2086,SC2046 # These are lists of words.
  $CC ${CPPFLAGS-} ${CFLAGS-} ${LDFLAGS-} -o "$dir/$name" \
    "$top_srcdir/samples/$name.c" $($pkg_config "$@" --cflags --libs fluv)
  LD_LIBRARY_PATH="$root$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    "$dir/$name" </dev/null >"$dir/out"
  diff -u "$expected" "$dir/out"
  rm -f "$dir/$name"
  echo "installcheck: $name works with the $what library"
}

try shared
if test -f "$root$libdir/libfluv.a"; then
  # Hide the shared library from the linker: libuv itself may have no static
  # one here.
  mkdir "$dir/static"
  cp "$root$libdir/libfluv.a" "$dir/static/"
  LDFLAGS="${LDFLAGS-} -L$dir/static" try static --static
fi
