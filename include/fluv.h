/* SPDX-License-Identifier: MIT */
/* fluv: futures, tasks, timeouts and TCP on libuv. This header is the table
 * of contents; each part below is one concept.
 *
 * Pointers passed in are borrowed for the call, unless the comment says that
 * they are taken over. Functions that take a fluv_future_t* take it over:
 * a future is used exactly once. The few that only borrow one say so.
 *
 * NULL for a handle is FLUV_EINVAL where a function returns an error or a
 * future. Functions that free or close do nothing with it. All others, and all
 * that take a future, which is never NULL, print their name and abort. So does
 * every function that is given a freed handle. Debug builds always detect that,
 * and name the places where the handle was made and freed; other builds detect
 * it only while the memory has not been used again. A stream or listener that
 * was closed gives FLUV_EBADF while its close or another operation on it is
 * pending.
 */
#ifndef FLUV_H
#define FLUV_H

#include <stddef.h>
#include <stdint.h>

#ifndef __cplusplus
# include <stdbool.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define FLUV_H_INSIDE
#include "fluv/macros.h"    /* marks: visibility, threads, places */
#include "fluv/version.h"   /* version numbers */
#include "fluv/error.h"     /* error numbers and their names */
#include "fluv/memory.h"    /* the allocator hook */
#include "fluv/future.h"    /* one result that will arrive */
#include "fluv/promise.h"   /* the other end of a future */
#include "fluv/loop.h"      /* attach, run, block_on */
#include "fluv/task.h"      /* functions that may await */
#include "fluv/combine.h"   /* join_all, select, timeout */
#include "fluv/joinset.h"   /* results in completion order */
#include "fluv/scope.h"     /* children that end with the block */
#include "fluv/time.h"      /* sleep, interval, the test clock */
#include "fluv/channel.h"   /* messages */
#include "fluv/oneshot.h"   /* one message */
#include "fluv/mutex.h"     /* one holder at a time */
#include "fluv/rwlock.h"    /* readers or one writer */
#include "fluv/notify.h"    /* a wakeup without a value */
#include "fluv/barrier.h"   /* tasks that wait for each other */
#include "fluv/semaphore.h" /* permits */
#include "fluv/watch.h"     /* a value and its changes */
#include "fluv/broadcast.h" /* every receiver gets every message */
#include "fluv/condvar.h"   /* wait under a mutex */
#include "fluv/once.h"      /* a value that is made once */
#include "fluv/token.h"     /* ask many tasks to stop */
#include "fluv/tracker.h"   /* wait until all work is done */
#include "fluv/handoff.h"   /* work for other threads' loops */
#include "fluv/blocking.h"  /* work that blocks, on the thread pool */
#include "fluv/runtime.h"   /* worker threads */
#include "fluv/stream.h"    /* read, write, close */
#include "fluv/tcp.h"       /* listen, accept, connect */
#include "fluv/watchdog.h"  /* report tasks that block a loop */
#include "fluv/server.h"    /* a task for each connection */
#undef FLUV_H_INSIDE

#ifdef __cplusplus
}
#endif

#endif /* FLUV_H */
