/* SPDX-License-Identifier: MIT */
/* Error numbers: libuv's, under the same values, and fluv's own.
 *
 * A result is a value >= 0 or one of these. FLUV_ENOMEM is possible wherever
 * a future is made and is not repeated in every comment. Programmer mistakes
 * (a future used twice, an await outside a task, another thread's handle)
 * are no errors: they print both places and abort.
 */
#ifndef FLUV_ERROR_H
#define FLUV_ERROR_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/* <uv.h> takes back what <uv/errno.h> is made of, but then has the names. */
#ifdef UV_H
# define FLUV__ERRNO(name) UV_##name
#else
# include <uv/errno.h>
# define FLUV__ERRNO(name) UV__##name
#endif

enum {
  FLUV_EOF = FLUV__ERRNO(EOF),
  FLUV_EACCES = FLUV__ERRNO(EACCES),
  FLUV_EADDRINUSE = FLUV__ERRNO(EADDRINUSE),
  FLUV_EADDRNOTAVAIL = FLUV__ERRNO(EADDRNOTAVAIL),
  FLUV_EAGAIN = FLUV__ERRNO(EAGAIN),
  FLUV_EALREADY = FLUV__ERRNO(EALREADY),
  FLUV_EBADF = FLUV__ERRNO(EBADF),
  FLUV_EBUSY = FLUV__ERRNO(EBUSY),
  FLUV_ECANCELED = FLUV__ERRNO(ECANCELED),
  FLUV_ECONNABORTED = FLUV__ERRNO(ECONNABORTED),
  FLUV_ECONNREFUSED = FLUV__ERRNO(ECONNREFUSED),
  FLUV_ECONNRESET = FLUV__ERRNO(ECONNRESET),
  FLUV_EHOSTUNREACH = FLUV__ERRNO(EHOSTUNREACH),
  FLUV_EINVAL = FLUV__ERRNO(EINVAL),
  FLUV_EMFILE = FLUV__ERRNO(EMFILE),
  FLUV_ENETUNREACH = FLUV__ERRNO(ENETUNREACH),
  FLUV_ENFILE = FLUV__ERRNO(ENFILE),
  FLUV_ENOBUFS = FLUV__ERRNO(ENOBUFS),
  FLUV_ENOENT = FLUV__ERRNO(ENOENT),
  FLUV_ENOMEM = FLUV__ERRNO(ENOMEM),
  FLUV_ENOTCONN = FLUV__ERRNO(ENOTCONN),
  FLUV_ENOTSUP = FLUV__ERRNO(ENOTSUP),
  FLUV_EOVERFLOW = FLUV__ERRNO(EOVERFLOW),
  FLUV_EPERM = FLUV__ERRNO(EPERM),
  FLUV_EPIPE = FLUV__ERRNO(EPIPE),
  FLUV_ETIMEDOUT = FLUV__ERRNO(ETIMEDOUT),
  FLUV_EAI_NONAME = FLUV__ERRNO(EAI_NONAME),
  FLUV_EAI_AGAIN = FLUV__ERRNO(EAI_AGAIN),
  FLUV_EAI_FAIL = FLUV__ERRNO(EAI_FAIL),

  /** The promise was freed without being resolved. */
  FLUV_EBROKEN = -5001,
  /** This thread has no fluv loop, or its loop is being closed. */
  FLUV_ENOLOOP = -5002,
  /** The wait could never end: the loop has no other work, or the call would
   *  block its own loop or lock. */
  FLUV_EDEADLK = -5003,
  /** A task's stack could not be mapped: no memory, or too many mappings. */
  FLUV_ESTACK = -5004,
  /** The channel or semaphore is closed, and nothing is left to receive. */
  FLUV_ECLOSED = -5005,
  /** A broadcast receiver missed messages that were overwritten. */
  FLUV_ELAGGED = -5006,
  /** The loop or the runtime is shut down and accepts no work. */
  FLUV_ESTOPPED = -5007,

  /** The program's own errors are FLUV_EUSER_FIRST, FLUV_EUSER_FIRST - 1 and so
   *  on down to FLUV_EUSER_LAST. Neither fluv nor libuv has a number there. */
  FLUV_EUSER_FIRST = -10000,
  FLUV_EUSER_LAST = -19999
};

#undef FLUV__ERRNO

/**
 * Describe an error number.
 *
 * @param err  A result of any function of fluv or libuv.
 *
 * @return  A short English text, static memory: "success" for a result >= 0,
 *          "unknown error" for a number of neither.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
const char* fluv_strerror(int64_t err);

/**
 * Get the name of an error number.
 *
 * @param err  A negative result of any function of fluv or libuv.
 *
 * @return  "ECANCELED" for FLUV_ECANCELED and so on, static memory;
 *          "EUSER" for the program's own; "UNKNOWN" for a number that is no
 *          error.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
const char* fluv_err_name(int64_t err);

#endif /* FLUV_ERROR_H */
