/* SPDX-License-Identifier: MIT */
/* What every handle begins with: a word that says what it is.
 *
 * A public function checks the handle it is given by one compare. A handle that
 * was freed, or a pointer to something else, is a programmer's mistake: the
 * process aborts with a message. In release builds the memory of a freed handle
 * may be in use again, so the mistake may be missed; a mistake that is found is
 * never used. In debug builds the last FLUV__OBJECT_QUARANTINE freed handles
 * are held back, so that the mistake is always found, and the message names
 * where the handle was made and where it was freed.
 *
 * NULL: what returns a future or an error returns FLUV_EINVAL; what frees or
 * closes does nothing; all else aborts.
 */
#ifndef FLUV_CORE_OBJECT_H
#define FLUV_CORE_OBJECT_H

#include "core/internal.h"

/* Freed handles that are held back in debug builds. Fewer find less; more hold
 * more memory. */
enum {
  FLUV__OBJECT_QUARANTINE = 512
};

/* The order is that of the names in object.c. */
typedef enum fluv__kind {
  FLUV__KIND_NONE = 0, /* no handle of the user's */
  FLUV__KIND_FREED = 0x0f10f000,
  FLUV__KIND_BARRIER,
  FLUV__KIND_BROADCAST,
  FLUV__KIND_BROADCAST_RX,
  FLUV__KIND_CHANNEL,
  FLUV__KIND_CONDVAR,
  FLUV__KIND_INTERVAL,
  FLUV__KIND_JOINSET,
  FLUV__KIND_LISTENER,
  FLUV__KIND_MUTEX,
  FLUV__KIND_NOTIFY,
  FLUV__KIND_ONCE,
  FLUV__KIND_ONESHOT,
  FLUV__KIND_PROMISE,
  FLUV__KIND_REMOTE,
  FLUV__KIND_RUNTIME,
  FLUV__KIND_RWLOCK,
  FLUV__KIND_SCOPE,
  FLUV__KIND_SEMAPHORE,
  FLUV__KIND_SERVER,
  FLUV__KIND_STREAM,
  FLUV__KIND_TOKEN,
  FLUV__KIND_TRACKER,
  FLUV__KIND_WATCH,
  FLUV__KIND_WATCH_RX,
  FLUV__KIND_END
} fluv__kind_t;

/* The first field of every handle. */
typedef struct fluv__object {
  fluv__kind_t kind;
#if FLUV_DEBUG
  size_t size;
  const void* made_by; /* return addresses */
  const void* freed_by;
  const fluv_loc_t* made_at; /* NULL: not recorded */
  const fluv_loc_t* freed_at;
#endif
} fluv__object_t;

/* Abort: `object` is not what `function` takes. */
void fluv__object_bad(const void* object,
                      fluv__kind_t kind,
                      const char* function) FLUV__NORETURN;

/* Abort: a counted handle was given back more often than it was made. */
void fluv__object_overfreed(const void* object,
                            const char* what,
                            const char* function) FLUV__NORETURN;

/* For the macros below. */
void fluv__object_end_now(fluv__object_t* object,
                          const void* by,
                          const fluv_loc_t* at);
void fluv__object_free_now(fluv__object_t* object,
                           const void* by,
                           const fluv_loc_t* at);

/* Free the handles that are held back. */
void fluv__object_flush(void);

#define fluv__object_of(handle) ((const fluv__object_t*) (const void*) (handle))

/* A handle that is not NULL must be a `kind`. */
#define fluv__check(handle, what)                                              \
 do {                                                                          \
  if (fluv__unlikely(fluv__object_of(handle)->kind != FLUV__KIND_##what))      \
   fluv__object_bad((handle), FLUV__KIND_##what, __func__);                    \
 } while (0)

/* The same, and NULL is a mistake too: for what cannot return an error. */
#define fluv__require(handle, what)                                            \
 do {                                                                          \
  if (fluv__unlikely((handle) == NULL ||                                       \
                     fluv__object_of(handle)->kind != FLUV__KIND_##what))      \
   fluv__object_bad((handle), FLUV__KIND_##what, __func__);                    \
 } while (0)

/* In public functions, whose caller is the user; `loc` may be NULL. A handle is
 * ended when the user has given it back, and freed, too, when nothing refers
 * to it any more. */
#if FLUV_DEBUG
# define fluv__object_init(handle, what, loc)                                  \
  ((handle)->object =                                                          \
       (fluv__object_t){ .kind = FLUV__KIND_##what,                            \
                         .size = sizeof(*(handle)),                            \
                         .made_by = __builtin_return_address(0),               \
                         .made_at = (loc) })
# define fluv__object_end(handle, loc)                                         \
  fluv__object_end_now(&(handle)->object, __builtin_return_address(0), (loc))
# define fluv__object_free(handle, loc)                                        \
  fluv__object_free_now(&(handle)->object, __builtin_return_address(0), (loc))
#else
# define fluv__object_init(handle, what, loc)                                  \
  ((void) (loc), (handle)->object.kind = FLUV__KIND_##what)
# define fluv__object_end(handle, loc)                                         \
  ((void) (loc), (handle)->object.kind = FLUV__KIND_FREED)
# define fluv__object_free(handle, loc)                                        \
  ((void) (loc), (handle)->object.kind = FLUV__KIND_FREED, fluv__free(handle))
#endif

#endif /* FLUV_CORE_OBJECT_H */
