/* SPDX-License-Identifier: MIT */
/* The loop of a thread: finding it, its references, its arrivals. */
#include "core/loop.h"

#include <stdio.h>

__thread fluv_loop_t* fluv__loop;

fluv_loop_t* fluv_loop_current(void) {
  return fluv__loop;
}

struct uv_loop_s* fluv_loop_get_uv(const fluv_loop_t* loop) {
  if (fluv__unlikely(loop == NULL))
    fluv__die("fluv_loop_get_uv(): the loop is NULL");
  return loop->uv;
}

size_t fluv_loop_count_tasks(const fluv_loop_t* loop) {
  if (fluv__unlikely(loop == NULL))
    fluv__die("fluv_loop_count_tasks(): the loop is NULL");
  if (fluv__unlikely(loop != fluv__loop))
    fluv__wrong_thread(loop, "fluv_loop_count_tasks()", NULL, NULL);
  return loop->task_count;
}

void fluv__wrong_thread(const fluv_loop_t* home,
                        const char* what,
                        const fluv_loc_t* made,
                        const fluv_loc_t* used) {
  char made_at[FLUV__LOC_SIZE];
  char used_at[FLUV__LOC_SIZE];
  char threads[64];

  if (home != NULL && home->forks != fluv__forks)
    fluv__die(
        "%s belongs to a loop of the parent process, and this process was "
        "forked from it: it has to make a loop and objects of its own; "
        "made at %s, used at %s",
        what,
        fluv__loc_format(made, made_at, sizeof(made_at)),
        fluv__loc_format(used, used_at, sizeof(used_at)));
  if (home == NULL)
    fluv__die("%s used at %s on a thread without a loop",
              what,
              fluv__loc_format(used, used_at, sizeof(used_at)));
  snprintf(threads,
           sizeof(threads),
           "%#lx, used on thread %#lx",
           (unsigned long) home->thread,
           (unsigned long) pthread_self());
  fluv__die("%s belongs to the loop of thread %s; made at %s, used at %s",
            what,
            threads,
            fluv__loc_format(made, made_at, sizeof(made_at)),
            fluv__loc_format(used, used_at, sizeof(used_at)));
}

void fluv__loop_ref(fluv_loop_t* loop) {
  /* Relaxed: the caller holds a reference already. */
  atomic_fetch_add_explicit(&loop->refs, 1, memory_order_relaxed);
}

void fluv__loop_unref(fluv_loop_t* loop) {
  /* Release, and acquire in the last: what others wrote before their unref is
   * visible before the memory is freed. */
  if (atomic_fetch_sub_explicit(&loop->refs, 1, memory_order_acq_rel) == 1)
    fluv__free(loop);
}

/* An arrival may grant and send to others. The outermost call drains the list,
 * so a chain of a thousand grants is no recursion of that depth. */
void fluv__arrivals_run(fluv_loop_t* loop) {
  fluv__inbox_node_t* node;

  if (loop->draining_arrivals || loop->starting_arms > 0)
    return;
  loop->draining_arrivals = true;
  while ((node = loop->arrivals) != NULL) {
    loop->arrivals = node->next;
    if (loop->arrivals == NULL)
      loop->arrivals_end = &loop->arrivals;
    node->run(node);
  }
  loop->draining_arrivals = false;
}
