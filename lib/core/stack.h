/* SPDX-License-Identifier: MIT */
/* Stacks of tasks: mapped in slabs, guarded, kept for reuse; and the switch
 * from one to another.
 *
 * A stack's sizes are powers of two. Its memory, from low to high: the guard,
 * the usable part, this header on the same page as the first frames (so that
 * a sleeping task costs one page).
 */
#ifndef FLUV_CORE_STACK_H
#define FLUV_CORE_STACK_H

#include <signal.h>

#include "core/internal.h"
#include "core/switch-fp.h"

enum {
  FLUV__STACK_MIN_BITS = 14, /* 16 KiB: a signal frame, printf, some of one's
                                own */
  FLUV__STACK_MAX_BITS = 30,
  FLUV__STACK_CLASSES = FLUV__STACK_MAX_BITS - FLUV__STACK_MIN_BITS + 1,
  /* 64 KiB: twice what the hungriest libc call measured takes (printf of a
   * long double, 27 KiB). Virtual: what is not touched costs nothing. */
  FLUV__STACK_DEFAULT_BITS = 16
};

/* Bytes of the guard; a frame of up to this size cannot jump over it. 32 KiB,
 * or a page where pages are larger. */
size_t fluv__stack_guard(void);

/* What sanitizers know a stack by. */
typedef struct fluv__ctx {
  const void* bottom;
  size_t size;
  void* fake;  /* ASan: fake frames while switched away */
  void* fiber; /* TSan */
} fluv__ctx_t;

typedef struct fluv__slab fluv__slab_t;

/* On a cache line of its own, with the first frame's place in front: what is
 * read to start a task. How far below the end of its memory it lies differs
 * from stack to stack, so that their hot lines do not share cache sets. */
typedef struct fluv__stack {
  char first[32];           /* what the assembly switch begins a stack with */
  struct fluv__stack* next; /* in a list of free ones */
  fluv__slab_t* slab;
  char* low;   /* first usable byte; the guard is below */
  void* start; /* what to switch to for the first frame */
  fluv__ctx_t ctx;
  unsigned bits; /* size class: log2 of the usable size */
  unsigned valgrind_id;
} fluv__stack_t;

/* The stacks of one loop; its thread only. */
typedef struct fluv__stack_cache {
  void (*entry)(void);  /* first function on every stack */
  const fluv__fp_t* fp; /* floating-point control it begins with */
  struct {
    fluv__stack_t* hot; /* given back last; not in their slabs' lists */
    unsigned hot_count;
    fluv__list_t slabs;  /* those with free stacks first */
    size_t free;         /* in slabs, used before or not */
    size_t out;          /* in use or hot */
    size_t peak;         /* most that were out; fades */
    unsigned next_count; /* stacks of the next slab */
  } classes[FLUV__STACK_CLASSES];
  bool may_trim;           /* many have just come back: see has_spare */
  bool keep_guards_mapped; /* no MADV_GUARD_INSTALL: mprotect */
} fluv__stack_cache_t;

void fluv__stack_cache_init(fluv__stack_cache_t* cache,
                            void (*entry)(void),
                            const fluv__fp_t* fp);
/* No stack may be used after this. */
void fluv__stack_cache_deinit(fluv__stack_cache_t* cache);

/* Class for a wanted size; 0 if it is out of range. */
unsigned fluv__stack_bits(size_t size);

/* NULL when no more can be mapped. */
fluv__stack_t* fluv__stack_get(fluv__stack_cache_t* cache, unsigned bits);

/* The caller may run on the stack itself: it is not written to before the next
 * get. */
void fluv__stack_put(fluv__stack_cache_t* cache, fluv__stack_t* stack);

/* Were many more stacks in use lately than now? Then trimming is due. */
bool fluv__stack_has_spare(const fluv__stack_cache_t* cache);

/* Unmap slabs that are free in whole, beyond a reserve: a part at a time. From
 * the thread's own stack, again and again until none is spare. */
void fluv__stack_trim(fluv__stack_cache_t* cache);

/* In a signal handler: if the fault is a stack overflow of a task, report that
 * task and return true. */
bool fluv__overflow_report(const siginfo_t* info, const void* context);

/* Give the handler of this thread a stack to run on. Returns memory for
 * fluv__overflow_unwatch(), or NULL. */
void* fluv__overflow_watch(void);
void fluv__overflow_unwatch(void* memory);

#endif /* FLUV_CORE_STACK_H */
