/* SPDX-License-Identifier: MIT */
/* Scopes: children that never outlive the block that made them. */
#ifndef FLUV_CORE_SCOPE_H
#define FLUV_CORE_SCOPE_H

#include "core/cleanup.h"
#include "core/group.h"
#include "core/object.h"

struct fluv_scope {
  fluv__object_t object;
  fluv__cleanup_t cleanup; /* in the list of the task that opened it */
  fluv__group_t group;
  fluv__task_t* task;  /* the task that opened it */
  fluv_future_t ended; /* IMMORTAL: done when no child runs any more */
  int64_t error;       /* of the first child that failed */
  bool cancelled;
  bool ending; /* the task waits, or is about to wait, for `ended` */
};

#endif /* FLUV_CORE_SCOPE_H */
