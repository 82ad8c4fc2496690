/* SPDX-License-Identifier: MIT */
/* Version numbers. configure reads them from here. */
#ifndef FLUV_VERSION_H
#define FLUV_VERSION_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

#define FLUV_VERSION_MAJOR 0
#define FLUV_VERSION_MINOR 1
#define FLUV_VERSION_PATCH 0

#define FLUV_VERSION_HEX                                                       \
 ((FLUV_VERSION_MAJOR << 16) | (FLUV_VERSION_MINOR << 8) | FLUV_VERSION_PATCH)

/**
 * Get the version of the library that is linked in.
 *
 * @return  The three numbers as in FLUV_VERSION_HEX.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
unsigned fluv_version(void);

/**
 * Get the version of the library that is linked in, as text.
 *
 * @return  "MAJOR.MINOR.PATCH", static memory.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
const char* fluv_version_string(void);

#endif /* FLUV_VERSION_H */
