#!/bin/sh
# SPDX-License-Identifier: MIT
# Can the samples be read one after the other? Each names the next one, from the
# first to the last that samples/README.md lists, in the order given there.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
cd "$top_srcdir/samples" || exit 1

sed -n 's/^| \[\([a-z_]*\.c\)\](\1) |.*/\1/p' README.md >"$tap_dir/listed"

ls -- *.c >"$tap_dir/there"
sort "$tap_dir/listed" | diff -u "$tap_dir/there" - >"$tap_dir/bad"
tap_empty 'README.md lists every sample, and each once' "$tap_dir/bad"

# Follow the chain, at most as far as it can be long.
name=$(head -n 1 "$tap_dir/listed")
left=$(wc -l <"$tap_dir/listed")
while test -f "$name" && test "$left" -gt 0; do
  echo "$name"
  name=$(sed -n 's|^ \* Next:  *samples/\([a-z_]*\.c\)$|\1|p' "$name")
  left=$((left - 1))
done >"$tap_dir/chain"
test -z "$name" || echo "... $name" >>"$tap_dir/chain"
diff -u "$tap_dir/listed" "$tap_dir/chain" >"$tap_dir/bad"
tap_empty 'each sample names the one that README.md lists after it' \
  "$tap_dir/bad"

# The files that a head names are those of the sample.
for name in *.c; do
  base=${name%.c}
  grep -q "^ \* Run:  *samples/$base\( .*\)*$" "$name" || echo "$name: Run:"
  if test -f "$base.out"; then
    grep -q "^ \* Prints:  *samples/$base\.out$" "$name" ||
      echo "$name: Prints:"
  fi
done >"$tap_dir/bad"
tap_empty 'each sample says how it is run and what it prints' "$tap_dir/bad"
tap_end
