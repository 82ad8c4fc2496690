/* SPDX-License-Identifier: MIT */
/* The only file that includes <stdatomic.h>. Orders are named in full at
 * each use; whoever uses less than seq_cst says which access it pairs with.
 */
#ifndef FLUV_BASE_ATOMIC_H
#define FLUV_BASE_ATOMIC_H

#include <stdatomic.h>

typedef atomic_uint fluv__atomic_uint_t;
typedef atomic_bool fluv__atomic_bool_t;

#endif /* FLUV_BASE_ATOMIC_H */
