/* SPDX-License-Identifier: MIT */
/* Hierarchical timer wheel: entries by tick, taken in order of tick and, for
 * equal ticks, in order of insertion. Insert and remove are O(1).
 *
 * After Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987).
 */
#ifndef FLUV_BASE_WHEEL_H
#define FLUV_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum {
  FLUV__WHEEL_BITS = 6,
  FLUV__WHEEL_SLOTS = 1 << FLUV__WHEEL_BITS,
  /* 2^36 ticks ahead before an entry is placed again: over two years in ms. */
  FLUV__WHEEL_LEVELS = 6
};

/* An entry; in a list whenever it is in a wheel. */
typedef struct fluv__wheel_node {
  fluv__list_t link;
  uint64_t tick;
} fluv__wheel_node_t;

typedef struct fluv__wheel {
  uint64_t now; /* everything before and at this tick is in `due` or out */
  size_t count; /* entries, with those in `due` */
  fluv__list_t due;
  uint64_t occupied[FLUV__WHEEL_LEVELS]; /* a bit for each slot */
  fluv__list_t slots[FLUV__WHEEL_LEVELS][FLUV__WHEEL_SLOTS];
} fluv__wheel_t;

void fluv__wheel_init(fluv__wheel_t* wheel, uint64_t now);

/* Add an entry for node->tick; a tick that has passed is due at once. */
void fluv__wheel_insert(fluv__wheel_t* wheel, fluv__wheel_node_t* node);

/* Take out an entry that is in the wheel. */
void fluv__wheel_remove(fluv__wheel_t* wheel, fluv__wheel_node_t* node);

/* Take the next entry with a tick <= now; NULL if there is none. The time
 * never goes back: an earlier `now` than before is taken as that. */
fluv__wheel_node_t* fluv__wheel_pop(fluv__wheel_t* wheel, uint64_t now);

/* A tick before which no entry is due, close to the first entry's and mostly
 * equal; UINT64_MAX for an empty wheel. */
uint64_t fluv__wheel_next(const fluv__wheel_t* wheel);

#endif /* FLUV_BASE_WHEEL_H */
