/* SPDX-License-Identifier: MIT */
/* Diagnostics: warnings and fatal messages on stderr, and places in the
 * source. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal.h"

FLUV__PRINTF(1, 0) static void print_line(const char* format, va_list args) {
  char text[1024];
  int n = vsnprintf(text, sizeof(text), format, args);

  /* One call for each line, so that lines of several threads do not mix. */
  if (n >= 0)
    fprintf(stderr, "fluv: %s\n", text);
}

void fluv__warn(const char* format, ...) {
  va_list args;

  va_start(args, format);
  print_line(format, args);
  va_end(args);
}

void fluv__die(const char* format, ...) {
  va_list args;

  va_start(args, format);
  print_line(format, args);
  va_end(args);
  abort();
}

const char* fluv__loc_format(const fluv_loc_t* loc, char* buf, size_t size) {
  if (loc == NULL)
    snprintf(buf, size, "an unknown place");
  else
    snprintf(buf, size, "%s:%d (%s)", loc->file, loc->line, loc->func);
  return buf;
}

const char* fluv__loc_name(const fluv_loc_t* loc) {
  if (loc == NULL)
    return "?";
  /* A cast, a call or a lambda is not a useful name. */
  if (loc->name != NULL && strpbrk(loc->name, "({ ") == NULL)
    return loc->name;
  return loc->func;
}
