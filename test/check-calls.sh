#!/bin/sh
# SPDX-License-Identifier: MIT
# Do calls point one way? Compares the symbols that the objects of the library
# define with those that they use. A file may use what its own layer or one
# below it defines (base <- core <- sync <- runtime <- io <- inspect), and no
# files of the library may use each other in a circle.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
top_srcdir=$(cd "$top_srcdir" && pwd)
cd "$top_builddir" || exit 1
set -- lib/*/*.o
test -f "$1" || set -- lib/*/.libs/*.o
NM=${NM:-nm}
have "${NM%% *}" || tap_skip_all "no $NM"
test -f "$1" || tap_skip_all 'the library is not built'
# An object may be older than the removal of its source.
for object; do
  shift
  name=$(echo "${object%.o}" | sed -e 's|\.libs/||' -e 's|libfluv_la-||')
  test ! -f "$top_srcdir/$name.c" || set -- "$@" "$object"
done

# Lines "USER DEFINER SYMBOL", where both are files as "core/task".
# shellcheck disable=SC2086 # A command and its options.
$NM -A -P "$@" | ${AWK:-awk} '
  {
    file = $1
    sub(/:$/, "", file)
    sub(/^lib\//, "", file)
    sub(/\.libs\//, "", file)
    sub(/libfluv_la-/, "", file)
    sub(/\.o$/, "", file)
    if ($3 == "U")
      used[file " " $2] = 1
    else if ($3 ~ /^[A-TV-Z]$/)
      definer[$2] = file
  }
  END {
    for (pair in used) {
      split(pair, part, " ")
      if (part[2] in definer && definer[part[2]] != part[1])
        print part[1], definer[part[2]], part[2]
    }
  }' | sort >"$tap_dir/uses"

# Symbols that a layer takes from one above it.
${AWK:-awk} -v layers='base core sync runtime io inspect' '
  BEGIN {
    n = split(layers, name, " ")
    for (i = 1; i <= n; i++)
      rank[name[i]] = i
  }
  {
    split($1, user, "/")
    split($2, definer, "/")
    if (rank[user[1]] < rank[definer[1]])
      print $1 " uses " $3 " of " $2
  }' "$tap_dir/uses" >"$tap_dir/bad"
tap_empty 'no layer uses a symbol of one above it' "$tap_dir/bad"

# What is left when files that use none, or that none uses, have been taken
# away again and again: circles, and what lies between them. Not yet without:
# queue, attached and runtime of runtime, linger and stream of io.
${AWK:-awk} '
  $1 ~ /^(base|core|sync)\// {
    symbols[$1 " " $2] = symbols[$1 " " $2] " " $3
  }
  END {
    do {
      changed = 0
      split("", uses)
      split("", is_used)
      for (edge in symbols) {
        split(edge, part, " ")
        uses[part[1]] = 1
        is_used[part[2]] = 1
      }
      for (edge in symbols) {
        split(edge, part, " ")
        if (!(part[1] in is_used) || !(part[2] in uses)) {
          delete symbols[edge]
          changed = 1
        }
      }
    } while (changed)
    for (edge in symbols) {
      split(edge, part, " ")
      print part[1] " uses" symbols[edge] " of " part[2]
    }
  }' "$tap_dir/uses" | sort >"$tap_dir/bad"
tap_empty 'no files of base, core and sync use each other in a circle' \
  "$tap_dir/bad"
tap_end
