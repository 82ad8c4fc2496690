/* SPDX-License-Identifier: MIT */
/* The monitor: one thread that looks at things now and then, for those who
 * cannot look themselves because they are stuck.
 *
 * It is started with the first watch and ends with the last. Looks are made
 * one at a time, under a lock of the monitor's own; locks that a look takes
 * must never be held by a caller of the functions below.
 */
#ifndef FLUV_CORE_MONITOR_H
#define FLUV_CORE_MONITOR_H

#include "core/internal.h"

typedef struct fluv__watch {
  fluv__list_t link; /* while listed */
  bool listed;
  uint64_t due; /* ns of uv_hrtime() */
  /* Look; how many ns until the next time, or 0: never again. Then it is off
   * the list, but a fluv__monitor_add() of meanwhile puts it back. */
  uint64_t (*look)(struct fluv__watch* watch, uint64_t now);
} fluv__watch_t;

/* Any thread: look in `delay` ns for the first time; nothing, if it is listed
 * already. False if there is no thread to look. The rest of the struct is zero
 * before the first time. */
bool fluv__monitor_add(fluv__watch_t* watch, uint64_t delay);

/* Any thread but the monitor's: look no more. No look is under way after. */
void fluv__monitor_remove(fluv__watch_t* watch);

#endif /* FLUV_CORE_MONITOR_H */
