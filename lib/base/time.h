/* SPDX-License-Identifier: MIT */
/* Time in nanoseconds, in which all points in time are kept. */
#ifndef FLUV_BASE_TIME_H
#define FLUV_BASE_TIME_H

#include <stdint.h>

#define FLUV__NS_PER_US UINT64_C(1000)
#define FLUV__NS_PER_MS UINT64_C(1000000)
#define FLUV__NS_PER_S  UINT64_C(1000000000)

/* The point in time `ms` milliseconds after `now_ns`; UINT64_MAX, which no
 * clock reaches, if that overflows. */
static inline uint64_t fluv__ns_after(uint64_t now_ns, uint64_t ms) {
  return ms > (UINT64_MAX - now_ns) / FLUV__NS_PER_MS
             ? UINT64_MAX
             : now_ns + ms * FLUV__NS_PER_MS;
}

/* Nanoseconds in milliseconds, rounded up. */
static inline uint64_t fluv__ms_up(uint64_t ns) {
  return ns / FLUV__NS_PER_MS + (ns % FLUV__NS_PER_MS != 0);
}

#endif /* FLUV_BASE_TIME_H */
