/* SPDX-License-Identifier: MIT */
/* The version of the library. */
#include "core/internal.h"

unsigned fluv_version(void) {
  return FLUV_VERSION_HEX;
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

const char* fluv_version_string(void) {
  return TEXT(FLUV_VERSION_MAJOR) "." TEXT(FLUV_VERSION_MINOR) "." TEXT(
      FLUV_VERSION_PATCH);
}
