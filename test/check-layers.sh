#!/bin/sh
# SPDX-License-Identifier: MIT
# Do includes point one way? base <- core <- sync <- runtime <- io <- inspect:
# a file may include what stands in its own layer or left of it. base knows
# nothing of fluv, public headers nothing of lib/, and samples use only what
# is installed.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
cd "$top_srcdir" || exit 1
layers='base core sync runtime io inspect'

# rank LAYER: its place in the order, nothing if it is none.
rank() {
  place=0
  for layer in $layers; do
    place=$((place + 1))
    test "$layer" != "$1" || echo $place
  done
}

# includes FILE...: lines "FILE:LINE: NAME", where NAME still has its quotes or
# angle brackets.
includes() {
  test $# -eq 0 || ${AWK:-awk} '
    /^[ \t]*#[ \t]*include[ \t]/ {
      name = $0
      sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
      sub(/[ \t]*(\/\*.*)?$/, "", name)
      print FILENAME ":" FNR ": " name
    }' "$@"
}

# check_layer LAYER: what the layer's files must not include.
check_layer() {
  own=$(rank "$1")
  # shellcheck disable=SC2046 # No name of ours has a space.
  includes $(sources "lib/$1") | while read -r where name; do
    bare=$(echo "$name" | tr -d '"<>')
    case $name in
      '"'*/*)
        other=$(rank "${bare%%/*}")
        if test -n "$other"; then
          test "$other" -le "$own" || echo "$where $name is a layer above"
        else
          echo "$where $name is in no layer"
        fi
        ;;
      '<fluv.h>' | '<fluv/'*)
        test "$1" != base || echo "$where $name: base knows nothing of fluv"
        ;;
      '"config.h"' | '<'*) ;;
      '"'*)
        echo "$where $name: write it with its layer"
        ;;
    esac
  done
}

for directory in lib/*/; do
  layer=$(basename "$directory")
  if test -z "$(rank "$layer")"; then
    echo "lib/$layer is none of: $layers" >"$tap_dir/bad"
    tap_not_ok "lib/$layer is a layer" "$tap_dir/bad"
    continue
  fi
  check_layer "$layer" >"$tap_dir/bad"
  tap_empty "lib/$layer includes nothing above it" "$tap_dir/bad"
done

# shellcheck disable=SC2046
includes $(sources lib) | grep '<stdatomic\.h>' |
  grep -v '^lib/base/atomic\.h:' >"$tap_dir/bad"
tap_empty 'only lib/base/atomic.h includes <stdatomic.h>' "$tap_dir/bad"

# shellcheck disable=SC2046
includes $(sources include) |
  grep -v -e '"fluv/[a-z]*\.h"' -e '<fluv\.h>' -e '<uv/errno\.h>' \
    -e '<[a-z]*\.h>' -e '<sys/[a-z]*\.h>' >"$tap_dir/bad"
# shellcheck disable=SC2046
includes $(sources include) |
  grep '<uv\.h>' | grep -v '^include/fluv/uv\.h:' >>"$tap_dir/bad"
tap_empty 'public headers include public headers' "$tap_dir/bad"

# shellcheck disable=SC2046
includes $(sources samples) | grep '"' | while read -r where name; do
  bare=$(echo "$name" | tr -d '"')
  case $bare in
    */*) echo "$where $name" ;;
    *) test -f "samples/$bare" || echo "$where $name" ;;
  esac
done >"$tap_dir/bad"
tap_empty 'samples use only what is installed' "$tap_dir/bad"
tap_end
