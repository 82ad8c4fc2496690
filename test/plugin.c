/* SPDX-License-Identifier: MIT */
/* A plugin that uses fluv; expect-unload loads it, uses it and unloads it. */
#include <fluv.h>

typedef struct jobs {
  int64_t (*work)(void* arg);
  void* left;      /* NULL: none */
  void* abandoned; /* NULL: none */
} jobs_t;

__attribute__((visibility("default"))) int
plugin_run(int64_t (*work)(void* arg), void* left, void* abandoned);

static int64_t use(void* arg) {
  jobs_t* jobs = arg;
  fluv_future_t* job;

  if (jobs->left != NULL)
    fluv_detach(fluv_spawn_blocking(jobs->work, jobs->left));
  if (jobs->abandoned != NULL) {
    job = fluv_spawn_blocking(jobs->work, jobs->abandoned);
    fluv_start(job);
    fluv_await(fluv_sleep(10));
    fluv_drop(job);
  }
  return fluv_await(fluv_sleep(1));
}

/* Run a loop to its end, with a job that is left running and one that is
 * abandoned. Their code is the host's: the plugin's may be gone before they
 * are. */
int plugin_run(int64_t (*work)(void* arg), void* left, void* abandoned) {
  jobs_t jobs = { work, left, abandoned };

  return (int) fluv_run(use, &jobs, NULL);
}
