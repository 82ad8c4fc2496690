#!/bin/sh
# SPDX-License-Identifier: MIT
# Is everything still readable? A function of more than 80 lines or a file of
# more than 1000 is an error, one of more than 60 or 600 a remark. A function
# counts from the line of its name to its closing brace.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
cd "$top_srcdir" || exit 1
sources include lib test samples bench >"$tap_dir/files"

# report UNIT REMARK ERROR: reads "SIZE WHERE", prints remarks, keeps errors.
report() {
  ${AWK:-awk} -v unit="$1" -v remark="$2" -v error="$3" -v out="$tap_dir/bad" '
    BEGIN { printf "" >out }
    { size = $2 ": " unit " of " $1 " lines" }
    $1 > error { print size ", limit " error >out }
    $1 > remark && $1 <= error { print "# " size ", aim " remark }'
}

xargs wc -l <"$tap_dir/files" | grep -v ' total$' | report file 600 1000
tap_empty 'no file is too long' "$tap_dir/bad"

ctags=
for name in ctags-universal ctags; do
  if $name --version 2>/dev/null | grep -q 'Universal Ctags'; then
    ctags=$name
    break
  fi
done
if test -z "$ctags"; then
  tap_skip 'no function is too long' 'no universal-ctags'
else
  # A test's body follows a macro; it is a function like any other.
  $ctags --quiet --options=NONE --languages=C,C++ --langmap=C:.c.h --kinds-C=f \
    -D 'START_TEST(name)=static void name(int _i)' -D 'END_TEST=' \
    -D 'TEST_TASK(name)=static int64_t name(void* arg)' \
    -x --_xformat='%{end} %n %F:%N' -L "$tap_dir/files" |
    ${AWK:-awk} '$1 != "" { print $1 - $2 + 1, $3 }' |
    report function 60 80
  tap_empty 'no function is too long' "$tap_dir/bad"
fi
tap_end
