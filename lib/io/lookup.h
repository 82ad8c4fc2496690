/* SPDX-License-Identifier: MIT */
/* Looking up names, as jobs of the pool that can be abandoned. */
#ifndef FLUV_IO_LOOKUP_H
#define FLUV_IO_LOOKUP_H

#include <netdb.h>

#include "io/address.h"

typedef struct fluv__lookup {
  fluv__hostport_t address;
  struct addrinfo* found; /* the job's result; the reader takes it */
} fluv__lookup_t;

/* Future of a look-up that is under way, with 0 or an error. *out_lookup is
 * valid when it is done, for fluv__lookup_free(); a future that ends in any
 * other way than by an await of its result frees it. Set to NULL if it could
 * not be made. */
fluv_future_t* fluv__lookup_start(const fluv__hostport_t* address,
                                  const fluv_loc_t* loc,
                                  fluv__lookup_t** out_lookup);

void fluv__lookup_free(fluv__lookup_t* lookup);

#endif /* FLUV_IO_LOOKUP_H */
