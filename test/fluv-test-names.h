/* SPDX-License-Identifier: MIT */
/* What the tests of connecting share: names with known addresses. The look-ups
 * are counted, and those of slow names wait for the test. This replaces the C
 * library's getaddrinfo(): only programs that need it are linked with it. */
#ifndef FLUV_TEST_NAMES_H
#define FLUV_TEST_NAMES_H

#include <semaphore.h>
#include <stdatomic.h>

#include "fluv-test-io.h"

/* Each post lets one look-up of a name with "slow" end. */
extern sem_t names_may_answer;
/* Look-ups of names of the table that have started. */
extern atomic_int names_lookups;

/* Fixtures with a paused clock. */
void names_setup(void);
void names_teardown(void);

/* Wait until so many look-ups have started on their threads. */
void names_wait_lookup(int count);

/* Connect, close the stream and return the result of connecting. */
int64_t names_connect_to(const char* address);
/* The same with a listener of its own; its host has this name. */
int64_t names_connect_host(const char* host);

/* A cold connect to a listener whose host has this name. */
fluv_future_t* names_connect(const char* host,
                             const fluv_listener_t* listener,
                             fluv_stream_t** out);

#endif /* FLUV_TEST_NAMES_H */
