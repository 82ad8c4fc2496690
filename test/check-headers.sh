#!/bin/sh
# SPDX-License-Identifier: MIT
# Do the public headers stand alone? fluv.h must compile by itself in strict
# C99, C11 and C++17 and must not drag in uv.h, its parts must refuse to be
# included, and test/headers-use.c, which uses every macro, must compile too.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
cd "$top_srcdir" || exit 1

cat >"$tap_dir/alone.c" <<'EOF'
#include <fluv.h>
#ifdef UV_H
# error "fluv.h includes uv.h"
#endif
int fluv_alone;
EOF
cat >"$tap_dir/uv.c" <<'EOF'
#include <fluv/uv.h>
int fluv_uv_alone;
EOF
cat >"$tap_dir/after.c" <<'EOF'
#include <uv.h>
#include <fluv.h>
int fluv_after_uv;
EOF

# check NAME COMPILER LANGUAGE STANDARD FILE
check() {
  # shellcheck disable=SC2086 # UV_CFLAGS is a list of words.
  if ! have "$2"; then
    tap_skip "$1: $2 -std=$4" "no $2"
  elif "$2" -x "$3" -std="$4" -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
    -Iinclude ${UV_CFLAGS-} "$5" >"$tap_dir/out" 2>&1; then
    tap_ok "$1: $2 -std=$4"
  else
    tap_not_ok "$1: $2 -std=$4" "$tap_dir/out"
  fi
}

# check_all NAME FILE: with each compiler, as C and as C++.
check_all() {
  for cc in gcc clang; do
    check "$1" $cc c c99 "$2"
    check "$1" $cc c c11 "$2"
  done
  for cxx in g++ clang++; do
    check "$1" $cxx c++ c++17 "$2"
  done
}

check_all 'fluv.h alone' "$tap_dir/alone.c"
test ! -f test/headers-use.c || check_all 'every macro' test/headers-use.c

# uv.h itself needs more than strict C. It takes macros back that its parts
# have defined, so the order in which a program includes the two matters.
for cc in gcc clang; do
  check 'fluv/uv.h alone' $cc c gnu11 "$tap_dir/uv.c"
  check 'fluv.h after uv.h' $cc c gnu11 "$tap_dir/after.c"
done
for cxx in g++ clang++; do
  check 'fluv/uv.h alone' $cxx c++ gnu++17 "$tap_dir/uv.c"
  check 'fluv.h after uv.h' $cxx c++ gnu++17 "$tap_dir/after.c"
done

: >"$tap_dir/bad"
for header in include/fluv/*.h; do
  test "$header" != include/fluv/uv.h || continue
  echo "#include <${header#include/}>" >"$tap_dir/part.c"
  # shellcheck disable=SC2086 # UV_CFLAGS is a list of words.
  if ${CC:-cc} -fsyntax-only -Iinclude ${UV_CFLAGS-} "$tap_dir/part.c" 2>&1 |
    grep -q 'Include <fluv.h>, not its parts'; then
    :
  else
    echo "$header does not refuse to be included directly" >>"$tap_dir/bad"
  fi
done
tap_empty 'parts refuse direct inclusion' "$tap_dir/bad"
tap_end
