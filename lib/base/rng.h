/* SPDX-License-Identifier: MIT */
/* A small seeded generator: xorshift64*, after Vigna, "An experimental
 * exploration of Marsaglia's xorshift generators, scrambled" (2016). */
#ifndef FLUV_BASE_RNG_H
#define FLUV_BASE_RNG_H

#include <stdint.h>

typedef struct fluv__rng {
  uint64_t state;
} fluv__rng_t;

static inline void fluv__rng_seed(fluv__rng_t* rng, uint64_t seed) {
  /* The state must not be 0; an odd constant spreads small seeds. */
  rng->state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
  if (rng->state == 0)
    rng->state = 1;
}

static inline uint64_t fluv__rng_next(fluv__rng_t* rng) {
  uint64_t x = rng->state;

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  rng->state = x;
  return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* A number below `n`, n >= 1: the high half times n, by multiply and shift. */
static inline uint32_t fluv__rng_below(fluv__rng_t* rng, uint32_t n) {
  return (uint32_t) (((fluv__rng_next(rng) >> 32) * n) >> 32);
}

#endif /* FLUV_BASE_RNG_H */
