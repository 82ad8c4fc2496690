/* SPDX-License-Identifier: MIT */
/* The monitor: one thread that checks things at intervals, for threads that
 * cannot check because they are blocked.
 *
 * The thread is started with the first entry and ends with the last. Checks
 * are made one at a time, under a lock of the monitor's own. A caller of the
 * functions below must not hold a lock that a check takes.
 */
#ifndef FLUV_CORE_MONITOR_H
#define FLUV_CORE_MONITOR_H

#include "core/internal.h"

/* Something to check. All fields are zero before the first
 * fluv__monitor_add(); from then on the monitor's lock protects them. */
typedef struct fluv__monitor_entry {
  fluv__list_t link; /* while listed */
  bool listed;
  uint64_t due; /* when to check; ns of uv_hrtime() */
  /* Check, and return in how many ns to check again. 0: the entry is removed,
   * and fluv__monitor_add() may add it again. */
  uint64_t (*check)(struct fluv__monitor_entry* entry, uint64_t now);
} fluv__monitor_entry_t;

/* Any thread: check for the first time in `delay` ns. Does nothing if the entry
 * is listed already. False if the thread cannot be started. */
bool fluv__monitor_add(fluv__monitor_entry_t* entry, uint64_t delay);

/* Any thread but the monitor's: remove the entry. No check of it runs after
 * the return. */
void fluv__monitor_remove(fluv__monitor_entry_t* entry);

#endif /* FLUV_CORE_MONITOR_H */
