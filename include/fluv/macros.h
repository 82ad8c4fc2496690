/* SPDX-License-Identifier: MIT */
/* Marks on prototypes, and the place in the source that a call was made. */
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
 * initialiser (FLUV_..._INIT) sets it, and a program that was compiled with an
 * older header goes on working: what it does not know has its default. Without
 * the initialiser, as in { .timeout_ms = 500 }, the size is 0 and stands for
 * the struct of version 0.1; fields that came later are ignored then. A size
 * that cannot be one, or a field that is used and that the library is too old
 * to know, is FLUV_EINVAL. */

/** A place in the source; recorded for error messages and reports. */
typedef struct fluv_loc {
  /** File name, as FLUV_FILE says. */
  const char* file;
  /** Function name. */
  const char* func;
  /** Line number, counted from 1. */
  int line;
  /** What is made there, as the source says: a task's function; or NULL. */
  const char* name;
} fluv_loc_t;

/* The file in a place: what was given to the compiler, which is an absolute
 * path in some builds. To keep those out of a program, either give the compiler
 * -fmacro-prefix-map=OLD=NEW, or define this before <fluv.h> is included, such
 * as by -DFLUV_FILE=__FILE_NAME__ (gcc 12, clang 9). */
#ifndef FLUV_FILE
# define FLUV_FILE __FILE__
#endif

/* The place where this macro stands, as a pointer to static memory. Every
 * function that ends in _loc takes one; the macro of the same name without
 * _loc fills it in. FLUV_LOC_NAMED() adds what is made there, a string literal.
 * Compilers without statement expressions record nothing. */
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
