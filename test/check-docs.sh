#!/bin/sh
# SPDX-License-Identifier: MIT
# Is every public function documented? Directly above each prototype stands a
# comment that opens with two stars: a first line that says what it does, an
# @param for each parameter and none for others, @return unless it is void,
# @since, and @errors and @cancel for what is asynchronous. Exactly one mark
# says which thread may call it.
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

tap_tempdir
cd "$top_srcdir" || exit 1

for header in include/fluv.h include/fluv/*.h; do
  ${AWK:-awk} -f build-aux/protos.awk "$header" 2>"$tap_dir/bad" |
    ${AWK:-awk} -F'\t' '
    function bad(text) {
      print $1 ":" $2 ": " $3 ": " text
    }

    function count(text, re,    n) {
      n = 0
      while (match(text, re)) {
        n++
        text = substr(text, RSTART + RLENGTH)
      }
      return n
    }

    function has_tag(tag) {
      return index(doc, "\001 * @" tag " ") || index(doc, "\001 * @" tag "\001")
    }

    function check_opening(    n, lines, first, i, all) {
      n = split(doc, lines, "\001")
      first = n == 1 ? lines[1] : lines[2]
      sub(/^(\/\*\*| \*) */, "", first)
      if (first !~ /^[A-Z]/)
        bad("the comment does not open with a sentence")
      for (i = 1; i <= n && !(i > 1 && lines[i] ~ /^ \*$/); i++)
        all = all lines[i]
      sub(/ *\*\/$/, "", all)
      if (all !~ /[.?]$/)
        bad("the first paragraph does not end with a full stop")
    }

    function check_parameters(    n, names, i, found) {
      n = split($6, names, ",")
      for (i = 1; i <= n; i++)
        if (!has_tag("param " names[i]))
          bad("no @param " names[i])
      found = count(doc, "\001 [*] @param ")
      if (found > n)
        bad(found " @param for " n " parameters")
    }

    {
      doc = $7
      if (doc == "") {
        bad("no comment directly above that opens with two stars")
        next
      }
      check_opening()
      check_parameters()
      if ($4 == "void" && has_tag("return"))
        bad("@return, but it returns nothing")
      if ($4 != "void" && !has_tag("return"))
        bad("no @return")
      if (!has_tag("since"))
        bad("no @since")
      if ($5 ~ /FLUV_ASYNC/ && !has_tag("errors"))
        bad("FLUV_ASYNC without @errors")
      if ($5 ~ /FLUV_ASYNC/ && !has_tag("cancel"))
        bad("FLUV_ASYNC without @cancel")
      if (count($5, "FLUV_(LOOP|ANY)_THREAD") != 1)
        bad("wants exactly one of FLUV_LOOP_THREAD and FLUV_ANY_THREAD")
    }' >>"$tap_dir/bad"
  tap_empty "$header is documented" "$tap_dir/bad"
done
tap_end
