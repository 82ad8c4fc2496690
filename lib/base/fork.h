/* SPDX-License-Identifier: MIT */
/* What must happen in a child of fork(2): one handler for the whole library,
 * so that the order is known. */
#ifndef FLUV_BASE_FORK_H
#define FLUV_BASE_FORK_H

#include <stdbool.h>

/* How many forks this process is away from the one that loaded the library.
 * What a thread made before a fork belongs to the parent. */
extern unsigned fluv__forks;

typedef struct fluv__fork {
  void (*child)(void); /* runs in the child, on its only thread */
  struct fluv__fork* next;
  bool watched;
} fluv__fork_t;

/* Call `watch->child` in each child from now on: in the order of the first
 * calls, after fluv__forks was incremented. A second call does nothing. The
 * struct is static. Any thread. */
void fluv__fork_watch(fluv__fork_t* watch);

#endif /* FLUV_BASE_FORK_H */
