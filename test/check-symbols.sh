#!/bin/sh
# SPDX-License-Identifier: MIT
# Does the shared library export what the headers promise? The prototypes, the
# version script and the library must name the same functions.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

LC_ALL=C
export LC_ALL
tap_tempdir
library=$top_builddir/lib/.libs/libfluv.so
cd "$top_srcdir" || exit 1

# compare NAME FILE WHAT: the headers' names against those in the file.
compare() {
  {
    comm -23 "$tap_dir/headers" "$2" | sed "s|\$|: in the headers, not in $3|"
    comm -13 "$tap_dir/headers" "$2" | sed "s|\$|: in $3, not in the headers|"
  } >"$tap_dir/bad"
  tap_empty "$1" "$tap_dir/bad"
}

sh build-aux/symbols.sh >"$tap_dir/headers"
sed -n '/global:/,/local:/s/^ *\([a-z_0-9]*\);$/\1/p' lib/fluv.map |
  sort >"$tap_dir/map"
compare 'lib/fluv.map names the public functions ("make symbols")' \
  "$tap_dir/map" lib/fluv.map

sed -n 's/^  [A-Z]*(\(fluv_[a-z_0-9]*\).*/\1/p' test/test-null.c |
  sort >"$tap_dir/null"
compare 'test/test-null.c says what each function does with NULL' \
  "$tap_dir/null" test/test-null.c

if test ! -e "$library"; then
  tap_skip 'the library exports the public functions' 'no shared library'
else
  ${NM:-nm} -D --defined-only "$library" |
    sed -n 's/.* [A-Z] \([^@]*\).*/\1/p' |
    grep -v '^FLUV_[0-9]' | sort -u >"$tap_dir/library"
  compare 'the library exports the public functions' \
    "$tap_dir/library" libfluv.so
fi
tap_end
