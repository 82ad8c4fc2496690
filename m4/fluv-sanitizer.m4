dnl SPDX-License-Identifier: MIT
dnl --enable-asan and its siblings.

# FLUV_SANITIZER(SWITCH, NAME FOR -fsanitize, FULL NAME)
# ------------------------------------------------------
# Adds --enable-SWITCH. When given, the compiler must be able to link with it,
# and FLUV_SWITCH (upper case) is defined in config.h.
AC_DEFUN([FLUV_SANITIZER],
[FLUV_ARG_BOOL([$1], [build with $3], [no])
AS_VAR_IF([enable_$1], [yes], [
  FLUV_TRY_FLAG([-fsanitize=$2], [-fsanitize=$2], [],
    [AC_MSG_ERROR([--enable-$1: $CC cannot link with -fsanitize=$2])])
  AS_VAR_APPEND([FLUV_CFLAGS], [" -fsanitize=$2"])
  AS_VAR_APPEND([FLUV_LDFLAGS], [" -fsanitize=$2"])
  AS_VAR_APPEND([fluv_sanitizers], ["$1 "])
  AC_DEFINE(m4_toupper([FLUV_$1]), [1],
    [Define to 1 if this is a build with $3.])
])])

# FLUV_SANITIZER_DONE
# -------------------
# What all of them need: whole backtraces, and a program that stops at the
# first report, so that a test which causes one fails. Tests get more time.
AC_DEFUN([FLUV_SANITIZER_DONE],
[AS_CASE([$enable_asan$enable_tsan],
  [yesyes], [AC_MSG_ERROR([--enable-asan excludes --enable-tsan])])
FLUV_TEST_SLOWDOWN=5
AS_IF([test -n "$fluv_sanitizers"], [
  FLUV_ADD_FLAGS([-fno-omit-frame-pointer])
  FLUV_TEST_SLOWDOWN=20])
AS_VAR_IF([enable_ubsan], [yes],
  [FLUV_ADD_FLAGS([-fno-sanitize-recover=undefined])])
AC_SUBST([FLUV_TEST_SLOWDOWN])
AM_CONDITIONAL([FLUV_SANITIZED], [test -n "$fluv_sanitizers"])
])
