#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds a sample as a user would, with what "make install" has put into place
# and what pkg-config says about it: shared, with libfluv.a, all static, and
# with libfluv.a inside a plugin. Runs each. The sample is named on the command
# line.
set -eu

# These come from the Makefile.
: "${top_srcdir:?}" "${prefix:?}" "${libdir:?}" "${pkgconfigdir:?}" "${CC:?}"

root=${DESTDIR-}
export PKG_CONFIG_PATH="$root$pkgconfigdir${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
pkg_config=${PKG_CONFIG:-pkg-config}
test -z "$root" ||
  pkg_config="$pkg_config --define-variable=prefix=$root$prefix"

name=$(basename "$1")
expected=$top_srcdir/samples/$name.out
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# compile OUTPUT ARGUMENT...
compile() {
  output=$1
  shift
  # shellcheck disable=SC2086 # These are lists of words.
  $CC ${CPPFLAGS-} ${CFLAGS-} ${LDFLAGS-} -o "$dir/$output" "$@"
}

# run WHAT: runs the program and compares what it prints.
run() {
  LD_LIBRARY_PATH="$root$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    "$dir/$name" </dev/null >"$dir/out"
  diff -u "$expected" "$dir/out"
  rm -f "$dir/$name"
  echo "installcheck: $name works $1"
}

skip() {
  echo "installcheck: skipped: $1"
}

# links FLAG...: can a program be linked so at all?
links() {
  echo 'int main(void) { return 0; }' >"$dir/probe.c"
  compile probe "$@" "$dir/probe.c" >/dev/null 2>&1
}

# shellcheck disable=SC2046 # Lists of words.
compile "$name" "$top_srcdir/samples/$name.c" \
  $($pkg_config --cflags --libs fluv)
run 'with the shared library'

test -f "$root$libdir/libfluv.a" || exit 0

# Hide the shared library from the linker: libuv itself may have no static one
# here.
mkdir "$dir/static"
cp "$root$libdir/libfluv.a" "$dir/static/"
LDFLAGS="${LDFLAGS-} -L$dir/static"

# shellcheck disable=SC2046 # Lists of words.
compile "$name" "$top_srcdir/samples/$name.c" \
  $($pkg_config --static --cflags --libs fluv)
run 'with the static library'

# The linker warns of getaddrinfo and its siblings, which want the shared C
# library of the same version.
if ! links -static; then
  skip 'this compiler makes no static programs'
elif ! $pkg_config --exists libuv-static; then
  skip 'no static libuv'
else
  # shellcheck disable=SC2046 # Lists of words.
  compile "$name" -static "$top_srcdir/samples/$name.c" \
    $($pkg_config --static --cflags --libs fluv) 2>"$dir/err" || {
    cat "$dir/err"
    exit 1
  }
  run 'without shared libraries'
fi

# What a program loads is not linked with the program's libraries, and its code
# may lie anywhere.
cat >"$dir/host.c" <<'EOT'
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  void* plugin = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  int (*entry)(void) = NULL;

  if (plugin != NULL)
    *(void**) &entry = dlsym(plugin, "entry");
  if (entry == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  return entry();
}
EOT
# shellcheck disable=SC2046 # Lists of words.
compile plugin.so -shared -fPIC -Dmain=entry "$top_srcdir/samples/$name.c" \
  $($pkg_config --cflags --libs fluv) $($pkg_config --libs libuv)
compile host "$dir/host.c" -ldl
cat >"$dir/$name" <<EOT
#!/bin/sh
exec "$dir/host" "$dir/plugin.so"
EOT
chmod +x "$dir/$name"
run 'with the static library in a plugin'
