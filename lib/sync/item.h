/* SPDX-License-Identifier: MIT */
/* Messages are copied by their size. Messages of size 0 are only counted: the
 * pointer to one may be NULL, and memcpy() may not be called with NULL. */
#ifndef FLUV_SYNC_ITEM_H
#define FLUV_SYNC_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/internal.h"

/* Is this a pointer to a message that a user may pass? */
static inline bool fluv__item_is_valid(const void* item, size_t size) {
  return fluv__likely(item != NULL) || size == 0;
}

static inline void fluv__item_copy(void* to, const void* from, size_t size) {
  if (fluv__likely(size > 0))
    memcpy(to, from, size);
}

#endif /* FLUV_SYNC_ITEM_H */
