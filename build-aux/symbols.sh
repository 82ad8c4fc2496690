#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the names of all public functions, sorted, one a line; with --map the
# linker's version script that exports them. Run in the top source directory.
set -eu
LC_ALL=C
export LC_ALL

names() {
  ${AWK:-awk} -f build-aux/protos.awk include/fluv.h include/fluv/*.h |
    cut -f3 | sort -u
}

if test "${1-}" != --map; then
  names
  exit
fi

echo '/* SPDX-License-Identifier: MIT */'
echo '/* What libfluv.so exports. Made from the headers by "make symbols". */'
echo "FLUV_$(sh build-aux/version.sh -s include/fluv/version.h) {"
echo '  global:'
names | sed 's/.*/    &;/'
echo
echo '  local:'
echo '    *;'
echo '};'
