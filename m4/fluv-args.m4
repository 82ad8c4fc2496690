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
