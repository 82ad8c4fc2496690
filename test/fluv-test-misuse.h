/* SPDX-License-Identifier: MIT */
/* What the tests of mistakes share: reports that must name places. */
#ifndef FLUV_TEST_MISUSE_H
#define FLUV_TEST_MISUSE_H

#include <stdio.h>

#include "fluv-test.h"

/* Say which line the report must name. Written before the mistake is made. */
#define EXPECT_LINE(line) fprintf(stderr, "expect %s:%d\n", __FILE__, (line))

/* `fn` must abort, name all places that it has announced, and say `part`. */
void check_abort(void (*fn)(void* arg), const char* part);

#endif /* FLUV_TEST_MISUSE_H */
