/* SPDX-License-Identifier: MIT */
/* Messages are copied by size. With size 0 they are only counted: then, and
 * only then, the pointer to one may be NULL, which memcpy() must not see. */
#ifndef FLUV_SYNC_ITEM_H
#define FLUV_SYNC_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/internal.h"

static inline bool fluv__item_is_valid(const void* item, size_t size) {
  return fluv__likely(item != NULL) || size == 0;
}

static inline void fluv__item_copy(void* to, const void* from, size_t size) {
  if (fluv__likely(size > 0))
    memcpy(to, from, size);
}

#endif /* FLUV_SYNC_ITEM_H */
