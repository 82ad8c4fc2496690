/* SPDX-License-Identifier: MIT */
/* Marks on prototypes, and source locations. */
#ifndef FLUV_MACROS_H
#define FLUV_MACROS_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

#if defined(__GNUC__)
# define FLUV_EXTERN     __attribute__((visibility("default")))
# define FLUV_MUST_USE   __attribute__((warn_unused_result))
# define FLUV__EXTENSION __extension__
#else
# define FLUV_EXTERN
# define FLUV_MUST_USE
# define FLUV__EXTENSION
#endif

/* Returns a future and never waits. */
#define FLUV_ASYNC FLUV_MUST_USE
/* May switch to another task: call it inside a task. */
#define FLUV_SUSPENDS
/* Blocks the thread: call it outside tasks. */
#define FLUV_BLOCKS
/* Call it on the thread that runs the object's loop. */
#define FLUV_LOOP_THREAD
/* Call it from any thread, also from one that has no loop. */
#define FLUV_ANY_THREAD

/* Structs that grow: options and counters begin with their size. The
 * initialiser (FLUV_..._INIT) sets it. A program that was compiled with an
 * older header keeps working: a field that its header does not have gets its
 * default. Without the initialiser, as in { .timeout_ms = 500 }, the size is 0,
 * which stands for the struct of version 0.1; fields that were added later are
 * ignored then. FLUV_EINVAL is the answer to an impossible size, and to a
 * non-zero field that is newer than the library. */

/** A location in the source; recorded for error messages and reports. */
typedef struct fluv_loc {
  /** File name: FLUV_FILE. */
  const char* file;
  /** Function name. */
  const char* func;
  /** Line number, counted from 1. */
  int line;
  /** Name of what is made there, such as the task's function; or NULL. */
  const char* name;
} fluv_loc_t;

/* The file name in a location. By default it is the path that the compiler was
 * given, which is absolute in some builds. To keep such paths out of a program,
 * give the compiler -fmacro-prefix-map=OLD=NEW, or define FLUV_FILE before
 * <fluv.h> is included, for example by -DFLUV_FILE=__FILE_NAME__ (gcc 12,
 * clang 9). */
#ifndef FLUV_FILE
# define FLUV_FILE __FILE__
#endif

/* The location of this macro's use, as a pointer to static memory. Every
 * function that ends in _loc takes one; the macro of the same name without
 * _loc passes it. FLUV_LOC_NAMED() adds the name of what is made there, a
 * string literal. Compilers without statement expressions record nothing. */
/* clang-format off */
#if defined(__GNUC__)
# define FLUV_LOC_NAMED(name)                                                  \
   (FLUV__EXTENSION({                                                          \
     static const fluv_loc_t fluv_loc_here = {                                 \
       FLUV_FILE, __func__, __LINE__, name                                     \
     };                                                                        \
     &fluv_loc_here;                                                           \
   }))
#else
# define FLUV_LOC_NAMED(name) ((const fluv_loc_t*) 0)
#endif
#define FLUV_LOC FLUV_LOC_NAMED(NULL)
/* clang-format on */

#endif /* FLUV_MACROS_H */
