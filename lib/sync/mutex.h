/* SPDX-License-Identifier: MIT */
/* What a condition variable needs of a mutex. */
#ifndef FLUV_SYNC_MUTEX_H
#define FLUV_SYNC_MUTEX_H

#include "core/internal.h"

/* Unlock it for whoever was to hold it and does not want it, unless that has
 * been done. `loc` is where it was locked. */
void fluv__mutex_give_back(fluv_mutex_t* mutex, const fluv_loc_t* loc);

#endif /* FLUV_SYNC_MUTEX_H */
