#!/bin/sh
# SPDX-License-Identifier: MIT
# "make lint": everything that can be said about the sources without running
# them. Prints one line for each check, and what it found. A tool that is
# missing is skipped, unless LINT_STRICT is set.
set -u

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
top_builddir=${top_builddir:-$PWD}
export top_srcdir top_builddir
cd "$top_srcdir" || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

# All files of the project: those git knows or would take, else (in a tarball)
# those in our directories.
files() {
  {
    git -c safe.directory='*' ls-files --cached --others --exclude-standard \
      2>/dev/null ||
      find . \( -path './autom4te.cache' -o -path './build' -o -path './.git' \
        -o -path './build-[!a]*' \) -prune -o -type f -print | sed 's|^\./||'
  } | while read -r name; do
    test ! -f "$name" || echo "$name"
  done
}

# report NAME STATUS: the findings are in $dir/out.
report() {
  if test "$2" -eq 0; then
    echo "  ok    $1"
  else
    failed=$((failed + 1))
    echo "  FAIL  $1"
    sed 's/^/        /' "$dir/out"
  fi
}

# check NAME COMMAND...
check() {
  name=$1
  shift
  "$@" >"$dir/out" 2>&1
  report "$name" $?
}

# check_none NAME: fails if $dir/out has a line.
check_none() {
  test ! -s "$dir/out"
  report "$1" $?
}

# need NAME COMMAND: is the tool there?
need() {
  command -v "$2" >/dev/null 2>&1 && return 0
  if test -n "${LINT_STRICT-}"; then
    echo "$2 is missing" >"$dir/out"
    report "$1" 1
  else
    echo "  skip  $1: no $2"
  fi
  return 1
}

check_format() {
  need format "${CLANG_FORMAT:=clang-format}" || return
  # Releases format differently; the sources are formatted by 14.
  if ! "$CLANG_FORMAT" --version | grep -q 'version 14\.'; then
    echo '  skip  format: wants clang-format 14'
    return
  fi
  xargs -r "$CLANG_FORMAT" --dry-run <"$dir/c" 2>&1 |
    sed -n 's/^\([^: ]*\):\([0-9]*\):.*Wclang-format.*/\1:\2/p' |
    sort -t : -k 1,1 -k 2,2n -u | awk -F : '
      $1 != last { printf "%s%s:", (NR > 1 ? "\n" : ""), $1 }
      { printf " %s", $2; last = $1 }
      END { if (NR) print "\n(\"make format\" fixes these lines)" }' \
    >"$dir/out"
  check_none format
}

check_tidy() {
  need tidy clang-tidy || return
  grep '^lib/.*\.c$' "$dir/c" | grep -v switch- >"$dir/tidy"
  # clang-tidy reads the flags from here, one a line.
  {
    printf '%s\n' -std=gnu11 -D_GNU_SOURCE -DHAVE_CONFIG_H
    printf -- '-I%s\n' "$top_srcdir/include" "$top_srcdir/lib" "$top_builddir"
    # shellcheck disable=SC2086 # A list of words.
    printf '%s\n' ${UV_CFLAGS-}
  } >"$dir/compile_flags.txt"
  check tidy xargs -r -P "$(nproc 2>/dev/null || echo 1)" -n 4 \
    clang-tidy --quiet -p "$dir" <"$dir/tidy"
}

check_shell() {
  need shellcheck shellcheck || return
  {
    grep '\.sh$' "$dir/files"
    ls bootstrap
    grep '^\.ci/run$' "$dir/files"
  } >"$dir/shell"
  check shellcheck xargs -r shellcheck <"$dir/shell"
}

check_spelling() {
  need codespell codespell || return
  check codespell xargs -r codespell --config .codespellrc <"$dir/files"
}

# Every source names its licence first and says what it is.
check_licence() {
  while read -r name; do
    head -n 2 "$name" | grep -q 'SPDX-License-Identifier: ' ||
      echo "$name: no SPDX line at the top"
  done <"$dir/code" >"$dir/out"
  check_none licence
}

# What is not finished is not committed; // is for scratch. The words are put
# together here so that this file does not find itself.
check_leftovers() {
  {
    xargs grep -I -n -w -E 'TO''DO|FIX''ME|X''XX' <"$dir/files"
    xargs grep -I -n -E '(^|[^:"])//' <"$dir/c" | grep -v -F '://'
  } >"$dir/out"
  check_none leftovers
}

# Waits follow the monotonic clock: base/event.h has them.
check_clocks() {
  grep '^lib/' "$dir/c" | xargs grep -I -n -w -E \
    'CLOCK_REALTIME|sem_timedwait|pthread_timedjoin_np|gettimeofday' \
    >"$dir/out"
  grep '^lib/' "$dir/c" | grep -v '^lib/base/event\.c$' |
    xargs grep -I -n -w 'pthread_cond_timedwait' >>"$dir/out"
  check_none clocks
}

check_whitespace() {
  {
    xargs grep -n -I -E '[[:blank:]]+$' <"$dir/files" | grep -v '\.out:'
    xargs grep -I -n -E '.{81}' <"$dir/code" | grep -v '^\.clang-format:'
  } >"$dir/out"
  check_none whitespace
}

# A file that no Makefile.inc names is neither built nor shipped.
check_lists() {
  cat Makefile.am ./*/Makefile.inc | tr -s '[:space:]=' '[\n*]' >"$dir/listed"
  grep -E '^(include|lib|test|samples|bench|doc)/' "$dir/files" |
    grep -E '\.([chS]|sh|map|supp|md|py)$' | while read -r name; do
    grep -q -x -F -e "$name" -e "${name%.c}" "$dir/listed" ||
      echo "$name: in no Makefile.inc"
  done >"$dir/out"
  check_none lists
}

# Words of build-aux/words.txt, with the term to write instead. A line there is
# an expression, a bar and the term; a bar inside parentheses is no end.
check_words() {
  expression=$(awk '
    /^#/ || !NF { next }
    {
      depth = 0
      for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (c == "(") depth++
        if (c == ")") depth--
        if (c == "|" && depth == 0) break
      }
      entry = substr($0, 1, i - 1)
      gsub(/ /, "[ _]", entry)
      printf "%s%s", (n++ ? "|" : ""), entry
    }' build-aux/words.txt)
  expression="(^|[^A-Za-z])($expression)([^A-Za-z]|\$)"
  # A look-up is a term; most_queued is a field of the interface.
  grep -v -E '^(LICENSE|build-aux/words\.txt)$|^\.git|\.out$' "$dir/files" |
    xargs grep -I -n -i -E -e "$expression" |
    sed -E ':again
      s/^([^:]*:[0-9]*:.*)([Ll]ook(ed|ing|s)?[- _]?ups?|most_queued)/\1/
      t again' |
    grep -i -E -e "$expression" >"$dir/out"
  test ! -s "$dir/out" ||
    echo '(build-aux/words.txt has what to write instead)' >>"$dir/out"
  check_none words
}

check_script() {
  if sh "test/check-$1.sh" >"$dir/tap" 2>&1; then
    status=0
  else
    status=1
  fi
  grep -v '^ok ' "$dir/tap" >"$dir/out"
  report "$1" $status
  if test $status -eq 0; then
    grep '^# ' "$dir/tap" | sed 's/^# /        /'
  fi
  if grep -q '# SKIP' "$dir/tap"; then
    sed -n 's/^.* - \(.*\) # SKIP \(.*\)/  skip  \1: \2/p' "$dir/tap" \
      >"$dir/out"
    if test -n "${LINT_STRICT-}"; then
      report "$1 skipped nothing" 1
    else
      cat "$dir/out"
    fi
  fi
}

files >"$dir/files"
grep -E '\.[ch]$' "$dir/files" >"$dir/c"
grep -E '\.([chS]|sh|awk|py|ac|am|inc|map|supp)$|^(bootstrap|\.ci/run)$|^m4/' \
  "$dir/files" >"$dir/code"

check_format
test -n "${LINT_NO_TIDY-}" || check_tidy
check_shell
check_spelling
check_licence
check_leftovers
check_clocks
check_whitespace
check_lists
check_words
for script in docs headers layers samples sizes symbols calls; do
  check_script $script
done

if test $failed -ne 0; then
  echo "lint: $failed checks failed"
  exit 1
fi
