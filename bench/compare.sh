#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares two outputs of bench: each figure of both, and new divided by old.
set -eu

usage() {
  cat <<'END'
usage: compare.sh OLD NEW

OLD and NEW are files with lines "NAME VALUE UNIT", as bench prints them. A name
that stands in a file more than once, as after several runs in one file, counts
with the median of its values. All figures are costs: below 1 is better.
END
}

if test "${1-}" = -h; then
  usage
  exit 0
fi
if test $# -ne 2; then
  usage >&2
  exit 2
fi
for file in "$1" "$2"; do
  if ! test -r "$file"; then
    echo "compare.sh: $file cannot be read" >&2
    exit 2
  fi
done

# medians FILE: "NAME VALUE UNIT" with each name once, in order of appearance.
medians() {
  awk 'NF == 3 && $1 !~ /^#/ { print NR, $0 }' "$1" |
    sort -k 2,2 -k 3,3g |
    awk '
      function flush() {
        if (n)
          print first, name,
            n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2, unit
        n = 0
      }
      $2 != name { flush(); name = $2; unit = $4; first = $1 }
      { v[++n] = $3; if ($1 < first) first = $1 }
      END { flush() }' |
    sort -n | sed 's/^[0-9]* //'
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
medians "$1" >"$dir/old"
medians "$2" >"$dir/new"
awk '
  NR == FNR { old[$1] = $2; next }
  !head++ {
    printf "%-26s %10s %10s %-6s %7s\n", "name", "old", "new", "unit", "new/old"
  }
  $1 in old {
    printf "%-26s %10s %10s %-6s %7s\n", $1, old[$1], $2, $3,
      (old[$1] + 0 ? sprintf("%.2f", $2 / old[$1]) : "-")
    delete old[$1]
    next
  }
  { printf "%-26s %10s %10s %-6s %7s\n", $1, "-", $2, $3, "-" }
  END { for (name in old) printf "%-26s %10s %10s\n", name, old[name], "-" }
' "$dir/old" "$dir/new"
