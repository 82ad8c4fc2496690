dnl SPDX-License-Identifier: MIT
dnl Compiler and linker flags: asked for one by one, kept in FLUV_* variables.

# FLUV_TRY_FLAG(COMPILER FLAGS, LINKER FLAGS, IF IT WORKS, IF NOT)
# ----------------------------------------------------------------
# Links a program with the flags.
AC_DEFUN([FLUV_TRY_FLAG],
[AC_MSG_CHECKING([for m4_default([$1], [$2])])
fluv_saved_CFLAGS=$CFLAGS
fluv_saved_LDFLAGS=$LDFLAGS
CFLAGS="$CFLAGS -Werror $1"
LDFLAGS="$LDFLAGS $2"
AC_LINK_IFELSE([AC_LANG_PROGRAM()], [fluv_works=yes], [fluv_works=no])
CFLAGS=$fluv_saved_CFLAGS
LDFLAGS=$fluv_saved_LDFLAGS
AC_MSG_RESULT([$fluv_works])
AS_VAR_IF([fluv_works], [yes], [$3], [$4])
])

# FLUV_ADD_FLAGS(FLAGS)
# ---------------------
# Appends to FLUV_CFLAGS those of the flags that the compiler knows.
AC_DEFUN([FLUV_ADD_FLAGS],
[m4_foreach_w([fluv_flag], [$1],
  [FLUV_TRY_FLAG(m4_defn([fluv_flag]), [],
    [AS_VAR_APPEND([FLUV_CFLAGS], [" fluv_flag"])])])
])

# FLUV_BASE_FLAGS
# ---------------
# What every object is compiled with. Stacks are switched, so frame pointers
# are not needed for unwinding, but nothing may assume one stack per thread.
# Nobody replaces our functions one by one, so they may be inlined although the
# objects are position independent.
AC_DEFUN([FLUV_BASE_FLAGS],
[FLUV_ADD_FLAGS([-std=gnu11 -fvisibility=hidden -fno-common
  -fno-semantic-interposition])
# Places in the source are recorded below the top directory, wherever that is,
# so that a build can be reproduced.
FLUV_TRY_FLAG([-fmacro-prefix-map=a/=], [],
  [AS_VAR_APPEND([FLUV_CFLAGS], [' -fmacro-prefix-map=$(top_srcdir)/='])])
FLUV_TRY_FLAG([-pthread], [-pthread],
  [AS_VAR_APPEND([FLUV_CFLAGS], [" -pthread"])
  AS_VAR_APPEND([FLUV_LDFLAGS], [" -pthread"])])
])

# FLUV_WARNING_FLAGS
# ------------------
# Left out on purpose:
#   -Wpadded, -Winline              say what is true and not wrong
#   -Wswitch-default                hides a forgotten case of an enum
#   -Waggregate-return              forbids returning small structs
#   -Wdeclaration-after-statement   we declare where the value is known
#   -Wunused-macros                 a table of constants is not a mistake
# The flags that say -Werror= are always errors: each of them hides a bug.
AC_DEFUN([FLUV_WARNING_FLAGS],
[FLUV_ADD_FLAGS([
  -Wall
  -Wextra
  -Wshadow
  -Wundef
  -Wvla
  -Wcast-qual
  -Wwrite-strings
  -Wpointer-arith
  -Wstrict-prototypes
  -Wmissing-prototypes
  -Wold-style-definition
  -Wredundant-decls
  -Wnested-externs
  -Wformat=2
  -Wimplicit-fallthrough
  -Wlogical-op
  -Wduplicated-cond
  -Wduplicated-branches
  -Wnull-dereference
  -Wconversion
  -Wno-sign-conversion
  -Wno-unused-parameter
  -Wdocumentation
  -Wthread-safety
  -Wheader-guard
  -Werror=implicit-function-declaration
  -Werror=incompatible-pointer-types
  -Werror=return-type
  -Werror=int-conversion
])])

# FLUV_LIBRARY_FLAGS
# ------------------
# The shared library exports what lib/fluv.map names and nothing else; calls
# inside it do not go through the procedure linkage table. It is never unloaded:
# handlers of signals and of exit(3), threads of its own and libuv's, and what
# hangs on thread-local variables would go on in memory that is gone.
AC_DEFUN([FLUV_LIBRARY_FLAGS],
[echo 'FLUV_TEST { global: main; local: *; };' >conftest.map
FLUV_TRY_FLAG([], [-Wl,--version-script=conftest.map],
  [fluv_version_script=yes], [fluv_version_script=no])
rm -f conftest.map
AM_CONDITIONAL([FLUV_VERSION_SCRIPT], [test "x$fluv_version_script" = xyes])
FLUV_TRY_FLAG([], [-Wl,-Bsymbolic-functions],
  [AS_VAR_APPEND([FLUV_LIBRARY_LDFLAGS], [" -Wl,-Bsymbolic-functions"])])
FLUV_TRY_FLAG([], [-Wl,-z,nodelete],
  [FLUV_NODELETE_LDFLAGS=-Wl,-z,nodelete], [FLUV_NODELETE_LDFLAGS=])
AS_VAR_APPEND([FLUV_LIBRARY_LDFLAGS], [" $FLUV_NODELETE_LDFLAGS"])
AC_SUBST([FLUV_NODELETE_LDFLAGS])
])

# FLUV_STACK_FLAGS
# ----------------
# What users compile their own code with (fluv.pc): a frame that is larger than
# a stack's guard touches each page on its way, and so cannot jump over it.
AC_DEFUN([FLUV_STACK_FLAGS],
[FLUV_STACK_CFLAGS=
FLUV_TRY_FLAG([-fstack-clash-protection], [],
  [FLUV_STACK_CFLAGS=-fstack-clash-protection])
AC_SUBST([FLUV_STACK_CFLAGS])
])
