#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints MAJOR.MINOR.PATCH as the header named on the command line has it, with
# -s only MAJOR.MINOR. Prints nothing and fails if a number is missing.
set -eu

short=no
if test "${1-}" = -s; then
  short=yes
  shift
fi

number() {
  sed -n "s/^# *define  *FLUV_VERSION_$1  *\([0-9][0-9]*\).*/\1/p" "$2"
}

major=$(number MAJOR "$1")
minor=$(number MINOR "$1")
patch=$(number PATCH "$1")
if test -z "$major" || test -z "$minor" || test -z "$patch"; then
  echo "version.sh: $1 lacks one of FLUV_VERSION_MAJOR, _MINOR, _PATCH" >&2
  exit 1
fi
if test $short = yes; then
  echo "$major.$minor"
else
  echo "$major.$minor.$patch"
fi
