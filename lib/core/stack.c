/* SPDX-License-Identifier: MIT */
/* Stacks of tasks: slabs, guards, reuse.
 *
 * A slab is one mapping with room for many stacks of one size class. Its
 * unused part has never been touched. A stack's guard is set when the stack is
 * first used: by MADV_GUARD_INSTALL, which costs no mapping, or by mprotect,
 * which splits the slab's mapping in two more and so meets the kernel's limit
 * (vm.max_map_count) at about 32,000 stacks. A slab whose stacks are all free
 * is unmapped if enough others are free.
 */
#include "core/stack.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#if FLUV_ASAN
# include <sanitizer/asan_interface.h>
# include <sanitizer/lsan_interface.h>
#endif
#if FLUV_TSAN
# include <sanitizer/tsan_interface.h>
#endif
#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#else
# define RUNNING_ON_VALGRIND               0
# define VALGRIND_STACK_REGISTER(low, top) 0
# define VALGRIND_STACK_DEREGISTER(id)     ((void) (id))
#endif

#include "core/switch.h"

#ifndef MADV_GUARD_INSTALL
# define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

/* No kernel knows this advice. QEMU accepts what it does not know and does
 * nothing, so MADV_GUARD_INSTALL would leave stacks without their guards. */
#define MADV_UNKNOWN 0x7ffffff

#ifndef MAP_NORESERVE
# define MAP_NORESERVE 0
#endif

enum {
  /* Stacks of the first slab of a class, and of the largest. */
  FIRST_COUNT = 16,
  MAX_COUNT = 1024,
  /* A slab of big stacks is not larger than this many bytes, log2. */
  SLAB_MAX_BITS = 30,
  /* Free stacks that are kept ready, the last given back first. They count
   * as in use for their slabs. */
  MAX_HOT = 1024,
  /* How much of the peak is forgotten each time stacks are trimmed: 1 in so
   * many. A load that comes in waves keeps its stacks from one wave
   * to the next, and one that came once gives them back. */
  PEAK_FADE = 8,
  /* How far the beginnings of stacks are moved apart within a page, and in
   * which steps: far enough to spread over cache sets, little enough to leave
   * most of the page to the first frames. */
  COLOURS = 32,
  COLOUR_STEP = 64
};

struct fluv__slab {
  fluv__list_t link;
  char* memory;
  size_t bytes;
  fluv__stack_t* free;
  unsigned count;  /* stacks it has room for */
  unsigned used;   /* stacks ever taken: the rest was never touched */
  unsigned in_use; /* stacks given out */
};

static size_t usable_size(unsigned bits) {
  return (size_t) 1 << bits;
}

static size_t page_size(void) {
  return (size_t) sysconf(_SC_PAGESIZE);
}

size_t fluv__stack_guard(void) {
  const size_t usual = (size_t) 32 * 1024;

  return page_size() > usual ? page_size() : usual;
}

static size_t stride(unsigned bits) {
  /* One page more makes the distance an odd number of pages: stacks that are
   * an even number apart share few of the processor's translation entries. */
  return usable_size(bits) + fluv__stack_guard() + page_size();
}

unsigned fluv__stack_bits(size_t size) {
  unsigned bits = FLUV__STACK_MIN_BITS;

  if (size < usable_size(FLUV__STACK_MIN_BITS) ||
      size > usable_size(FLUV__STACK_MAX_BITS))
    return 0;
  while (usable_size(bits) < size || usable_size(bits) < page_size())
    bits++;
  return bits;
}

void fluv__stack_cache_init(fluv__stack_cache_t* cache,
                            void (*entry)(void),
                            const fluv__fp_t* fp) {
  unsigned i;

  cache->entry = entry;
  cache->fp = fp;
  for (i = 0; i < FLUV__STACK_CLASSES; i++) {
    fluv__list_init(&cache->classes[i].slabs);
    cache->classes[i].free = 0;
    cache->classes[i].next_count = FIRST_COUNT;
  }
  /* Sanitizers and valgrind read all memory that is mapped as readable. */
  cache->keep_guards_mapped =
      FLUV_ASAN || FLUV_TSAN || RUNNING_ON_VALGRIND != 0;
}

static void stack_forget(fluv__stack_t* stack) {
#if FLUV_TSAN
  __tsan_destroy_fiber(stack->ctx.fiber);
#endif
  if (stack->valgrind_id != 0)
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
}

/* Where the stack of that index in a slab lies. */
static fluv__stack_t* stack_at(const fluv__slab_t* slab,
                               unsigned index,
                               unsigned bits) {
  uintptr_t end = (uintptr_t) slab->memory + (index + 1) * stride(bits);
  uintptr_t at =
      end - sizeof(fluv__stack_t) - (index * 5 % COLOURS) * COLOUR_STEP;

  return (fluv__stack_t*) (at & ~(uintptr_t) (COLOUR_STEP - 1));
}

static void slab_free(fluv__slab_t* slab, unsigned bits) {
  unsigned i;

  fluv__assert(slab->used <= slab->count);
  if (FLUV_TSAN || RUNNING_ON_VALGRIND)
    for (i = 0; i < slab->used; i++)
      stack_forget(stack_at(slab, i, bits));
  fluv__list_remove(&slab->link);
  munmap(slab->memory, slab->bytes);
  fluv__free(slab);
}

void fluv__stack_cache_deinit(fluv__stack_cache_t* cache) {
  unsigned i;

  for (i = 0; i < FLUV__STACK_CLASSES; i++)
    while (!fluv__list_is_empty(&cache->classes[i].slabs))
      slab_free(
          fluv__container_of(cache->classes[i].slabs.next, fluv__slab_t, link),
          i + FLUV__STACK_MIN_BITS);
}

static unsigned next_count(fluv__stack_cache_t* cache, unsigned bits) {
  unsigned* next = &cache->classes[bits - FLUV__STACK_MIN_BITS].next_count;
  unsigned count = *next;

  while (count > 1 && count > (((size_t) 1 << SLAB_MAX_BITS) >> bits))
    count /= 2;
  if (*next < MAX_COUNT)
    *next *= 2;
  return count;
}

/* Map a slab; a smaller one where there is no room for it. */
static bool slab_map(fluv__slab_t* slab, unsigned bits) {
  for (; slab->count > 0; slab->count /= 2) {
    slab->bytes = slab->count * stride(bits);
    slab->memory = mmap(NULL,
                        slab->bytes,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1,
                        0);
    if (slab->memory != MAP_FAILED)
      return true;
  }
  return false;
}

static fluv__slab_t* slab_new(fluv__stack_cache_t* cache, unsigned bits) {
  fluv__slab_t* slab = fluv__calloc(1, sizeof(*slab));

  if (slab == NULL)
    return NULL;
  slab->count = next_count(cache, bits);
  if (!slab_map(slab, bits)) {
    fluv__free(slab);
    return NULL;
  }
#ifdef MADV_NOHUGEPAGE
  /* A huge page would make the first touch of one stack that of many. */
  (void) madvise(slab->memory, slab->bytes, MADV_NOHUGEPAGE);
#endif
  if (madvise(slab->memory, fluv__stack_guard(), MADV_UNKNOWN) == 0)
    cache->keep_guards_mapped = true;
  cache->classes[bits - FLUV__STACK_MIN_BITS].free += slab->count;
  return slab;
}

static bool guard(fluv__stack_cache_t* cache, char* memory) {
  if (!cache->keep_guards_mapped) {
    if (madvise(memory, fluv__stack_guard(), MADV_GUARD_INSTALL) == 0)
      return true;
    cache->keep_guards_mapped = true;
  }
  return mprotect(memory, fluv__stack_guard(), PROT_NONE) == 0;
}

/* Set up the slab's next stack that was never used. */
static fluv__stack_t* stack_init(fluv__stack_cache_t* cache,
                                 fluv__slab_t* slab,
                                 unsigned bits) {
  char* memory = slab->memory + slab->used * stride(bits);
  fluv__stack_t* stack;
  fluv__fp_t now;

  if (!guard(cache, memory))
    return NULL;
  stack = stack_at(slab, slab->used, bits);
  stack->slab = slab;
  stack->low = memory + fluv__stack_guard();
  /* Nothing writes to this first frame again: it serves every task. */
  fluv__fp_read(&now);
  fluv__fp_load(cache->fp);
  stack->start = fluv__switch_init(stack->low,
                                   stack->first + sizeof(stack->first),
                                   cache->entry);
  fluv__fp_load(&now);
  stack->bits = bits;
  stack->ctx.bottom = stack->low;
  stack->ctx.size = (size_t) ((char*) stack - stack->low);
  stack->valgrind_id =
      RUNNING_ON_VALGRIND ? VALGRIND_STACK_REGISTER(stack->low, stack) : 0;
#if FLUV_TSAN
  stack->ctx.fiber = __tsan_create_fiber(0);
#endif
  slab->used++;
  return stack;
}

static void note_taken(fluv__stack_cache_t* cache, unsigned class) {
  fluv__assert(cache->classes[class].free > 0);
  cache->classes[class].free--;
  if (++cache->classes[class].out > cache->classes[class].peak)
    cache->classes[class].peak = cache->classes[class].out;
}

static fluv__stack_t* get_from_slab(fluv__stack_cache_t* cache, unsigned bits) {
  fluv__list_t* slabs = &cache->classes[bits - FLUV__STACK_MIN_BITS].slabs;
  fluv__slab_t* slab = fluv__container_of(slabs->next, fluv__slab_t, link);
  fluv__stack_t* stack;

  if (fluv__list_is_empty(slabs) || slab->in_use == slab->count) {
    slab = slab_new(cache, bits);
    if (slab == NULL)
      return NULL;
    fluv__list_prepend(slabs, &slab->link);
  }
  stack = slab->free;
  if (stack != NULL)
    slab->free = stack->next;
  else
    stack = stack_init(cache, slab, bits);
  if (stack == NULL)
    return NULL;
  note_taken(cache, bits - FLUV__STACK_MIN_BITS);
  if (++slab->in_use == slab->count) {
    fluv__list_remove(&slab->link);
    fluv__list_append(slabs, &slab->link);
  }
  return stack;
}

static void put_to_slab(fluv__stack_cache_t* cache, fluv__stack_t* stack) {
  unsigned class = stack->bits - FLUV__STACK_MIN_BITS;
  fluv__slab_t* slab = stack->slab;

  fluv__assert(slab->in_use > 0);
  fluv__assert(cache->classes[class].out > 0);
  stack->next = slab->free;
  slab->free = stack;
  cache->classes[class].free++;
  cache->classes[class].out--;
  cache->may_trim = true;
  if (slab->in_use-- == slab->count) {
    /* It was full: to the front, where stacks are taken from. */
    fluv__list_remove(&slab->link);
    fluv__list_prepend(&cache->classes[class].slabs, &slab->link);
  }
}

fluv__stack_t* fluv__stack_get(fluv__stack_cache_t* cache, unsigned bits) {
  unsigned class = bits - FLUV__STACK_MIN_BITS;
  fluv__stack_t* stack = cache->classes[class].hot;

  if (fluv__likely(stack != NULL)) {
    cache->classes[class].hot = stack->next;
    cache->classes[class].hot_count--;
  } else {
    stack = get_from_slab(cache, bits);
    if (stack == NULL)
      return NULL;
  }
#if FLUV_ASAN
  __asan_unpoison_memory_region(stack->low, stack->ctx.size);
  __lsan_register_root_region(stack->low, stack->ctx.size);
#endif
  return stack;
}

void fluv__stack_put(fluv__stack_cache_t* cache, fluv__stack_t* stack) {
  unsigned class = stack->bits - FLUV__STACK_MIN_BITS;

#if FLUV_ASAN
  __lsan_unregister_root_region(stack->low, stack->ctx.size);
#endif
  if (fluv__unlikely(cache->classes[class].hot_count >= MAX_HOT)) {
    put_to_slab(cache, stack);
    return;
  }
  stack->next = cache->classes[class].hot;
  cache->classes[class].hot = stack;
  cache->classes[class].hot_count++;
}

bool fluv__stack_has_spare(const fluv__stack_cache_t* cache) {
  unsigned i;

  for (i = 0; i < FLUV__STACK_CLASSES; i++)
    if (cache->classes[i].peak > cache->classes[i].out + MAX_HOT)
      return true;
  return false;
}

/* Those kept hot lie in every slab where a burst ends in random order. They
 * would hold all of them. */
static void cool_down(fluv__stack_cache_t* cache, unsigned class) {
  fluv__stack_t* stack;

  while ((stack = cache->classes[class].hot) != NULL) {
    cache->classes[class].hot = stack->next;
    put_to_slab(cache, stack);
  }
  cache->classes[class].hot_count = 0;
}

void fluv__stack_trim(fluv__stack_cache_t* cache) {
  unsigned i;

  for (i = 0; i < FLUV__STACK_CLASSES; i++) {
    fluv__list_t* it;
    size_t* peak = &cache->classes[i].peak;

    if (*peak > cache->classes[i].out + MAX_HOT)
      cool_down(cache, i);
    it = cache->classes[i].slabs.next;
    *peak -= *peak / PEAK_FADE;
    while (it != &cache->classes[i].slabs) {
      fluv__slab_t* slab = fluv__container_of(it, fluv__slab_t, link);

      it = it->next;
      if (slab->in_use != 0 ||
          cache->classes[i].out + cache->classes[i].free < slab->count + *peak)
        continue;
      cache->classes[i].free -= slab->count;
      slab_free(slab, i + FLUV__STACK_MIN_BITS);
    }
  }
}
