/* SPDX-License-Identifier: MIT */
/* What every handle begins with, and reports of handles that are misused. */
#include "core/object.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if FLUV_DEBUG && defined(__GLIBC__)
# include <execinfo.h>
#endif
#if FLUV_ASAN
# include <sanitizer/asan_interface.h>
#endif

static const char* const names[] = {
  "freed handle",   "barrier", "broadcast", "broadcast receiver",
  "channel",        "condvar", "interval",  "join set",
  "listener",       "mutex",   "notify",    "once",
  "oneshot",        "promise", "remote",    "runtime",
  "rwlock",         "scope",   "semaphore", "server",
  "stream",         "token",   "tracker",   "watch",
  "watch receiver",
};

_Static_assert(FLUV__ARRAY_SIZE(names) == FLUV__KIND_END - FLUV__KIND_FREED,
               "a name for each kind");

static const char* name_of(fluv__kind_t kind) {
  return names[kind - FLUV__KIND_FREED];
}

/* The name that the user wrote: without "_loc". */
static int length_of(const char* function) {
  size_t len = strlen(function);

  if (len > 2 && strcmp(function + len - 2, "()") == 0)
    len -= 2;
  if (len > 4 && strcmp(function + len - 4, "_loc") == 0)
    len -= 4;
  return (int) len;
}

#if FLUV_DEBUG

static void print_place(const char* what,
                        const fluv_loc_t* at,
                        const void* by) {
  char place[FLUV__LOC_SIZE];

  if (at != NULL) {
    fluv__warn("%s at %s", what, fluv__loc_format(at, place, sizeof(place)));
    return;
  }
# ifdef __GLIBC__
  {
    void* address = (void*) (uintptr_t) by;
    char** text = by != NULL ? backtrace_symbols(&address, 1) : NULL;

    if (text != NULL)
      fluv__warn("%s by %s", what, text[0]);
    free((void*) text);
  }
# else
  (void) by;
# endif
}

static void print_places(const fluv__object_t* object) {
  print_place("it was made", object->made_at, object->made_by);
  if (object->kind == FLUV__KIND_FREED)
    print_place("it was freed", object->freed_at, object->freed_by);
}

#else

static void print_places(const fluv__object_t* object) {
  (void) object;
}

#endif

void fluv__object_bad(const void* handle,
                      fluv__kind_t kind,
                      const char* function) {
  const fluv__object_t* object = handle;
  int len = length_of(function);
  const char* name = name_of(kind);

  if (object == NULL)
    fluv__die("%.*s(): the %s is NULL", len, function, name);
  if (object->kind == FLUV__KIND_FREED) {
    print_places(object);
    fluv__die("%.*s(): the %s was freed before", len, function, name);
  }
  if (object->kind > FLUV__KIND_FREED && object->kind < FLUV__KIND_END) {
    print_places(object);
    fluv__die("%.*s(): this is a %s, not a %s",
              len,
              function,
              name_of(object->kind),
              name);
  }
  fluv__die("%.*s(): this is not a %s: it was freed before, or never made",
            len,
            function,
            name);
}

void fluv__object_overfreed(const void* handle,
                            const char* what,
                            const char* function) {
  print_places(handle);
  fluv__die("%.*s(): all %s were freed before",
            length_of(function),
            function,
            what);
}

#if FLUV_DEBUG

/* Larger ones would hold too much memory. */
enum {
  MAX_HELD_SIZE = 4096
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fluv__object_t* held[FLUV__OBJECT_QUARANTINE];
static size_t next;

static void free_held(fluv__object_t* object) {
# if FLUV_ASAN
  if (object != NULL)
    __asan_unpoison_memory_region(object, object->size);
# endif
  fluv__free(object);
}

void fluv__object_end_now(fluv__object_t* object,
                          const void* by,
                          const fluv_loc_t* at) {
  object->kind = FLUV__KIND_FREED;
  object->freed_by = by;
  object->freed_at = at;
}

void fluv__object_free_now(fluv__object_t* object,
                           const void* by,
                           const fluv_loc_t* at) {
  fluv__object_t* oldest = object;

  if (object->kind != FLUV__KIND_FREED)
    fluv__object_end_now(object, by, at);
  if (object->size <= MAX_HELD_SIZE) {
# if FLUV_ASAN
    /* fluv's own mistakes are still found; object_bad() reads the header. */
    __asan_poison_memory_region(object + 1, object->size - sizeof(*object));
# endif
    pthread_mutex_lock(&lock);
    oldest = held[next];
    held[next] = object;
    next = (next + 1) % FLUV__OBJECT_QUARANTINE;
    pthread_mutex_unlock(&lock);
  }
  free_held(oldest);
}

void fluv__object_flush(void) {
  size_t i;

  pthread_mutex_lock(&lock);
  for (i = 0; i < FLUV__OBJECT_QUARANTINE; i++) {
    free_held(held[i]);
    held[i] = NULL;
  }
  pthread_mutex_unlock(&lock);
}

#else

void fluv__object_flush(void) {
}

#endif
