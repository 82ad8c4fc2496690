dnl SPDX-License-Identifier: MIT
dnl The switches of configure.

# FLUV_ARG_BOOL(NAME, WHAT IT DOES, DEFAULT)
# ------------------------------------------
# Adds --enable-NAME or --disable-NAME, whichever is not the default, and sets
# enable_NAME to yes or no. Any other value is an error.
AC_DEFUN([FLUV_ARG_BOOL],
[AC_ARG_ENABLE([$1],
  [AS_HELP_STRING(m4_if([$3], [yes], [[--disable-$1]], [[--enable-$1]]),
    m4_if([$3], [yes], [[do not $2]], [[$2]]))],
  [AS_CASE([$enable_$1],
    [yes|no], [],
    [AC_MSG_ERROR([--enable-$1 takes yes or no, not $enable_$1])])],
  [enable_$1=$3])
])

# FLUV_PLAIN_PATHS
# ----------------
# Neither make nor libtool can work in a directory whose name has a space or a
# character that means something to a shell. Autoconf would refuse them later
# and in its own words.
AC_DEFUN([FLUV_PLAIN_PATHS],
[fluv_paths=`cd "$srcdir" && pwd`:`pwd`
fluv_bad=`AS_ECHO(["$fluv_paths"]) |
  LC_ALL=C tr -d 'A-Za-z0-9_./+,:@%~^=\n\200-\377-'`
AS_IF([test -n "$fluv_bad"],
  [AC_MSG_ERROR(m4_normalize([fluv cannot be built in a path that has a
    space or another special character: move it elsewhere. The sources and
    the build are in: $fluv_paths]))])
])

# FLUV_ARG_TESTS, FLUV_CHECK_LIBRARY
# ----------------------------------
# The tests need Check. Without it everything else is built, and "make check"
# says what it lacks; --enable-tests and --disable-tests decide it here.
AC_DEFUN([FLUV_ARG_TESTS],
[AC_ARG_ENABLE([tests],
  [AS_HELP_STRING([--disable-tests],
    [do not build the tests that need Check (default: if it is there)])],
  [AS_CASE([$enable_tests],
    [yes|no], [],
    [AC_MSG_ERROR([--enable-tests takes yes or no, not $enable_tests])])],
  [enable_tests=auto])
])

AC_DEFUN([FLUV_CHECK_LIBRARY],
[AS_VAR_IF([enable_tests], [no], [], [
  PKG_CHECK_MODULES([CHECK], [check >= 0.15], [enable_tests=yes], [
    AS_VAR_IF([enable_tests], [yes],
      [AC_MSG_ERROR([the tests need Check 0.15; or configure --disable-tests])])
    enable_tests=lacking])
])
AC_SUBST([enable_tests])
AM_CONDITIONAL([FLUV_TESTS_ENABLED], [test "x$enable_tests" = xyes])
AM_CONDITIONAL([FLUV_TESTS_LACKING], [test "x$enable_tests" = xlacking])
])

# FLUV_STATIC_UV
# --------------
# What fluv.pc requires of who links with libfluv.a. Where libuv's static
# library has a name and a module of its own, it is that.
AC_DEFUN([FLUV_STATIC_UV],
[FLUV_UV_MODULE=libuv
PKG_CHECK_EXISTS([libuv-static >= 1.44.2], [FLUV_UV_MODULE=libuv-static])
AC_SUBST([FLUV_UV_MODULE])
])

# FLUV_WITH_SWITCH
# ----------------
# --with-switch=asm|ucontext: how one stack is left for another. Our own
# instructions where we have them, else the C library's swapcontext, which
# works everywhere but makes a system call each time.
AC_DEFUN([FLUV_WITH_SWITCH],
[AC_ARG_WITH([switch],
  [AS_HELP_STRING([--with-switch=asm|ucontext],
    [how to switch stacks (default: asm on x86_64 and aarch64)])],
  [], [with_switch=auto])
AS_CASE([$host_cpu],
  [x86_64|amd64], [fluv_switch=x86_64],
  [aarch64|arm64], [fluv_switch=aarch64],
  [fluv_switch=ucontext])
AS_CASE([$with_switch],
  [auto|yes], [],
  [asm], [AS_VAR_IF([fluv_switch], [ucontext],
    [AC_MSG_ERROR([--with-switch=asm: no instructions for $host_cpu yet])])],
  [ucontext], [fluv_switch=ucontext],
  [AC_MSG_ERROR([--with-switch takes asm or ucontext, not $with_switch])])
AS_VAR_IF([fluv_switch], [ucontext],
  [AC_CHECK_FUNC([swapcontext], [],
    [AC_MSG_ERROR([this C library has no swapcontext])])
  AC_DEFINE([FLUV_SWITCH_UCONTEXT], [1],
    [Define to 1 to switch stacks with swapcontext.])],
  [AC_DEFINE([FLUV_SWITCH_ASM], [1],
    [Define to 1 to switch stacks with our own instructions.])])
AM_CONDITIONAL([FLUV_SWITCH_UCONTEXT], [test "x$fluv_switch" = xucontext])
])
