/* SPDX-License-Identifier: MIT */
/* First include of every source: configuration, the public header, memory,
 * assertions, and diagnostics. */
#ifndef FLUV_CORE_INTERNAL_H
#define FLUV_CORE_INTERNAL_H

#ifdef HAVE_CONFIG_H
# include "config.h"
#endif

#include <fluv.h>

#include "base/list.h"

#ifndef FLUV_DEBUG
# define FLUV_DEBUG 0
#endif
#ifndef FLUV_EVENTFD
# define FLUV_EVENTFD 0
#endif
#ifndef FLUV_ASAN
# define FLUV_ASAN 0
#endif
#ifndef FLUV_TSAN
# define FLUV_TSAN 0
#endif

#define FLUV__ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define fluv__likely(x)     __builtin_expect(!!(x), 1)
#define fluv__unlikely(x)   __builtin_expect(!!(x), 0)
#define FLUV__NO_ASAN       __attribute__((no_sanitize_address))
/* For the path of every switch, where a call costs as much as the work. */
#define FLUV__INLINE static inline __attribute__((always_inline))
/* The cold path of a function whose fast path must be short. */
#define FLUV__NOINLINE     __attribute__((noinline))
#define FLUV__NORETURN     __attribute__((noreturn, cold, noinline))
#define FLUV__PRINTF(a, b) __attribute__((format(printf, a, b)))

/* An invariant of the library; checked in debug builds. */
#if FLUV_DEBUG
# define fluv__assert(cond)                                                    \
  ((cond)                                                                      \
       ? (void) 0                                                              \
       : fluv__die("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond))
#else
# define fluv__assert(cond) ((void) 0)
#endif

/* Print "fluv: ..." on stderr and abort. */
void fluv__die(const char* format, ...) FLUV__PRINTF(1, 2) FLUV__NORETURN;

/* Print "fluv: ..." on stderr. */
void fluv__warn(const char* format, ...) FLUV__PRINTF(1, 2);

/* "file:line (function)" into a buffer of the caller's; returns it. */
#define FLUV__LOC_SIZE 256
const char* fluv__loc_format(const fluv_loc_t* loc, char* buf, size_t size);

/* The name of what is made at that place, if the source names it plainly; else
 * the function that makes it. */
const char* fluv__loc_name(const fluv_loc_t* loc);

/* The gate for all memory but stacks. Array sizes are checked for overflow;
 * NULL when memory has run out. */
void* fluv__malloc(size_t size);
void* fluv__calloc(size_t count, size_t size);
void fluv__free(void* ptr);

#endif /* FLUV_CORE_INTERNAL_H */
