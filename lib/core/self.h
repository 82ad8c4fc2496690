/* SPDX-License-Identifier: MIT */
/* The running task, its name, and the state that few tasks need. */
#ifndef FLUV_CORE_SELF_H
#define FLUV_CORE_SELF_H

#include "core/task.h"

/* State of a task that is allocated when first needed. */
struct fluv__task_ext {
  char name[32];               /* set by the user; empty: none */
  void (*free_arg)(void* arg); /* frees the argument of a task that never ran */
  struct fluv__local* locals;  /* lib/core/local.c */
};

/* Abort with "`what` outside a task". */
void fluv__task_missing(const char* what, const fluv_loc_t* loc) FLUV__NORETURN;

/* The running task; aborts if there is none. */
static inline fluv__task_t* fluv__task_require(const char* what,
                                               const fluv_loc_t* loc) {
  fluv_loop_t* loop = fluv__loop;

  if (fluv__unlikely(loop == NULL || loop->current == NULL))
    fluv__task_missing(what, loc);
  return loop->current;
}

const char* fluv__task_name(const fluv__task_t* task);

/* The extended state, allocated if need be. NULL: out of memory. */
fluv__task_ext_t* fluv__task_ext(fluv__task_t* task);

/* Destroy all locals. False if there were none; a destructor may set some
 * again. */
bool fluv__locals_destroy(fluv__task_t* task);

#endif /* FLUV_CORE_SELF_H */
