/* SPDX-License-Identifier: MIT */
/* For the programs that make a mistake on purpose; test-expect.sh runs them
 * and checks what is reported about it. */
#ifndef FLUV_TEST_EXPECT_H
#define FLUV_TEST_EXPECT_H

#ifdef HAVE_CONFIG_H
# include "config.h"
#endif

#include <fluv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
# define EXPECT_ASAN 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define EXPECT_ASAN 1
# endif
#endif
#ifndef EXPECT_ASAN
# define EXPECT_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
# define EXPECT_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define EXPECT_TSAN 1
# endif
#endif
#ifndef EXPECT_TSAN
# define EXPECT_TSAN 0
#endif

/* What a program returns that is built without the tool it is about. */
#define EXPECT_SKIP 77

/* For functions whose frames must be there, by their own name. */
#if defined(__clang__)
# define EXPECT_FRAME __attribute__((noinline))
#else
# define EXPECT_FRAME __attribute__((noinline, noclone))
#endif

#endif /* FLUV_TEST_EXPECT_H */
