/* SPDX-License-Identifier: MIT */
/* The allocator hook. */
#ifndef FLUV_MEMORY_H
#define FLUV_MEMORY_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/**
 * Replace malloc, realloc and free for all that fluv allocates.
 *
 * Stacks are mapped, not allocated, and libuv has a hook of its own
 * (uv_replace_allocator).
 *
 * @param malloc_fn   As malloc(3).
 * @param realloc_fn  As realloc(3). Nothing in this version calls it.
 * @param free_fn     As free(3).
 *
 * @return  0.
 * @errors  FLUV_EINVAL  a function is NULL.
 *          FLUV_EBUSY   fluv has allocated memory already: call this first.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_set_allocator(void* (*malloc_fn)(size_t size),
                       void* (*realloc_fn)(void* ptr, size_t size),
                       void (*free_fn)(void* ptr));

#endif /* FLUV_MEMORY_H */
