#!/bin/sh
# SPDX-License-Identifier: MIT
# Does Spin find no error in doc/models, in a complete search, and the error in
# each variant that has one on purpose?
# shellcheck source=test/tap.sh
. "$(dirname "$0")/tap.sh"

test -z "${FLUV_EMULATOR-}" ||
  tap_skip_all 'this compiler is for another machine'
have spin || tap_skip_all 'no spin'
# They do not depend on how the library is built: once is enough.
test "${FLUV_MODELS-yes}" = yes || tap_skip_all 'checked in another build'
tap_tempdir
: "${CC:=cc}"
models=$(cd "$top_srcdir" && pwd)/doc/models
tried=$tap_dir/tried
: >"$tried"
cd "$tap_dir" || exit 1

# search MODEL VARIANT VERIFIER RUN: VARIANT are words to define in the model,
# VERIFIER flags to compile with, RUN flags to search with. The report goes to
# the file "out".
search() {
  rm -f pan*
  defines=
  echo "$1" >>"$tried"
  for word in $2; do
    defines="$defines -D$word"
    echo "$1 $word" >>"$tried"
  done
  # shellcheck disable=SC2086 # Lists of words.
  spin -a $defines "$models/$1.pml" >out 2>&1 &&
    $CC -O0 -w $3 -o pan pan.c >>out 2>&1 &&
    ./pan -n -m1000000 $4 >>out 2>&1
}

# The kinds of search: for assertions and deadlocks, or for a claim in LTL that
# must hold if every process that can go on does so at some time.
safety='-DSAFETY -DNOCLAIM -DCOLLAPSE'
claim='-DNFAIR=8'
claim_run='-a -f'

# proved NAME: the search has ended, with a complete search and no error.
proved() {
  if grep -q 'errors: 0$' out && ! grep -q -i -e 'search depth too small' \
    -e 'not completed' -e 'truncated' -e 'out of memory' \
    -e 'out of .* space' -e 'Error:' out; then
    tap_ok "$1"
    sed -n 's/^ *\([0-9]*\) states, stored.*/# \1 states/p' out
  else
    tap_not_ok "$1" out
  fi
}

# holds MODEL [VARIANT]
holds() {
  search "$1" "${2-}" "$safety" ''
  proved "$1${2:+ with $2} holds"
}

# holds_always MODEL CLAIM
holds_always() {
  search "$1" '' "$claim" "$claim_run -N $2"
  proved "$1: $2"
}

# refuted NAME PATTERN
refuted() {
  if grep -q 'errors: [1-9]' out && grep -q -e "$2" out; then
    tap_ok "$1"
  else
    tap_not_ok "$1" out
  fi
}

# fails MODEL VARIANT...: each of them alone.
fails() {
  model=$1
  shift
  for variant; do
    search "$model" "$variant" "$safety" ''
    refuted "$model with $variant fails as it must" \
      'assertion violated\|invalid end state'
  done
}

holds inbox
fails inbox NO_FENCE NO_PUSH_FENCE NO_RECHECK NO_REARM NO_WAIT

holds guard
holds_always guard through
fails guard NO_BARRIER NO_WAIT NO_SHARED_CHECK

holds wait
holds wait ONE_LOOP
fails wait NO_REGRANT NO_SERVE NO_SERVE_LATE NO_RECHECK FREE_GRANTED \
  LATE_ENTRY

holds channel
fails channel NO_RX_FENCE NO_TX_FENCE NO_AGAIN NO_SERVE NO_CLAIM EARLY_TAKEN \
  EARLY_TAIL

holds steal
holds steal CLOSE_EARLY
fails steal NO_RECHECK NO_WAKE NO_WAKE_NEXT NO_WAKE_ANOTHER NO_CLOSED_CHECK \
  FORGET_NOTIFIED NO_WAKE_QUEUED STAY_ASSIGNED

# A model or a variant that is never tried proves nothing.
for file in "$models"/*.pml; do
  model=$(basename "$file" .pml)
  grep -q -x "$model" "$tried" || echo "$model"
  sed -n 's/^#ifn*def \([A-Z_]*\)$/\1/p' "$file" | sort -u |
    while read -r word; do
      grep -q -x "$model $word" "$tried" || echo "$model: $word"
    done
done >bad
tap_empty 'every variant is tried' bad
tap_end
