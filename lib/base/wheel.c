/* SPDX-License-Identifier: MIT */
/* Hierarchical timer wheel.
 *
 * Level 0 has a slot for each of the next 64 ticks, level 1 one for each 64
 * of those, and so on. An entry sits at the level of the highest group of six
 * bits in which its tick differs from `now`, in the slot those bits name.
 * When `now` reaches the first tick of a slot above level 0, its entries go
 * down. So a slot of a lower level always expires before any of a higher one,
 * and one word for each level is enough to find the earliest slot.
 *
 * Entries further away than the top level reaches sit in it by the same bits
 * and are put in again each time their slot comes round.
 */
#include "base/wheel.h"

/* Entries of a slot that are checked for the exact next tick. With more the
 * search is slow; with fewer the loop has spurious wakeups. */
enum {
  MAX_CHECKED = 8
};

static unsigned slot_of(uint64_t tick, unsigned level) {
  return (unsigned) (tick >> (level * FLUV__WHEEL_BITS)) &
         (FLUV__WHEEL_SLOTS - 1);
}

static unsigned level_of(uint64_t now, uint64_t tick) {
  /* The low bits are set so that equal ticks give level 0, not clz(0). */
  uint64_t differ = (now ^ tick) | (FLUV__WHEEL_SLOTS - 1);
  unsigned level = (63 - (unsigned) __builtin_clzll(differ)) / FLUV__WHEEL_BITS;

  return level < FLUV__WHEEL_LEVELS ? level : FLUV__WHEEL_LEVELS - 1;
}

void fluv__wheel_init(fluv__wheel_t* wheel, uint64_t now) {
  unsigned level;
  unsigned slot;

  wheel->now = now;
  wheel->count = 0;
  fluv__list_init(&wheel->due);
  for (level = 0; level < FLUV__WHEEL_LEVELS; level++) {
    wheel->occupied[level] = 0;
    for (slot = 0; slot < FLUV__WHEEL_SLOTS; slot++)
      fluv__list_init(&wheel->slots[level][slot]);
  }
}

static void place(fluv__wheel_t* wheel, fluv__wheel_node_t* node) {
  unsigned level;
  unsigned slot;

  if (node->tick <= wheel->now) {
    fluv__list_append(&wheel->due, &node->link);
    return;
  }
  level = level_of(wheel->now, node->tick);
  slot = slot_of(node->tick, level);
  fluv__list_append(&wheel->slots[level][slot], &node->link);
  wheel->occupied[level] |= UINT64_C(1) << slot;
}

void fluv__wheel_insert(fluv__wheel_t* wheel, fluv__wheel_node_t* node) {
  wheel->count++;
  place(wheel, node);
}

void fluv__wheel_remove(fluv__wheel_t* wheel, fluv__wheel_node_t* node) {
  fluv__list_t* head = node->link.next;
  uintptr_t from_first = (uintptr_t) head - (uintptr_t) &wheel->slots[0][0];
  size_t index = from_first / sizeof(fluv__list_t);

  wheel->count--;
  fluv__list_remove(&node->link);
  if (head != node->link.prev)
    return;
  /* The list is empty now and `head` is its head: a slot's, or `due`, whose
   * distance is out of range (it lies before the slots: a huge one). */
  if (index >= FLUV__WHEEL_LEVELS * FLUV__WHEEL_SLOTS)
    return;
  wheel->occupied[index / FLUV__WHEEL_SLOTS] &=
      ~(UINT64_C(1) << (index % FLUV__WHEEL_SLOTS));
}

/* First tick of the earliest occupied slot, and which slot that is. */
static uint64_t earliest(const fluv__wheel_t* wheel,
                         unsigned* out_level,
                         unsigned* out_slot) {
  unsigned level;

  for (level = 0; level < FLUV__WHEEL_LEVELS; level++) {
    uint64_t bits = wheel->occupied[level];
    unsigned shift = level * FLUV__WHEEL_BITS;
    unsigned here = slot_of(wheel->now, level);
    unsigned ahead;
    uint64_t start;

    if (bits == 0)
      continue;
    /* Turn the word so that the slot after `now`'s own is the lowest bit;
     * its own comes last: only a far entry of the top level can be in it. */
    here = (here + 1) & (FLUV__WHEEL_SLOTS - 1);
    if (here != 0)
      bits = (bits >> here) | (bits << (FLUV__WHEEL_SLOTS - here));
    ahead = (unsigned) __builtin_ctzll(bits) + 1;
    start = ((wheel->now >> shift) + ahead) << shift;
    *out_level = level;
    *out_slot = slot_of(start, level);
    return start;
  }
  return UINT64_MAX;
}

uint64_t fluv__wheel_next(const fluv__wheel_t* wheel) {
  unsigned level = 0;
  unsigned slot = 0;
  unsigned checked = 0;
  uint64_t start;
  uint64_t first = UINT64_MAX;
  fluv__list_t* link;

  if (!fluv__list_is_empty(&wheel->due))
    return wheel->now;
  start = earliest(wheel, &level, &slot);
  if (start == UINT64_MAX || level == 0)
    return start;
  /* The slot holds many ticks. If it holds few entries, find the exact
   * tick, so that the loop does not wake only to move them down. */
  fluv__list_foreach (link, &wheel->slots[level][slot]) {
    const fluv__wheel_node_t* node =
        fluv__container_of(link, fluv__wheel_node_t, link);

    if (++checked > MAX_CHECKED)
      return start;
    if (node->tick < first)
      first = node->tick;
  }
  /* At the top level all of them may be a round away, behind other slots. */
  return first - start < UINT64_C(1) << (level * FLUV__WHEEL_BITS) ? first
                                                                   : start;
}

/* Advance to the first tick of a slot and move its entries to `due` or to a
 * lower level. */
static void enter(fluv__wheel_t* wheel,
                  uint64_t tick,
                  unsigned level,
                  unsigned slot) {
  fluv__list_t entries;

  wheel->now = tick;
  wheel->occupied[level] &= ~(UINT64_C(1) << slot);
  fluv__list_move(&wheel->slots[level][slot], &entries);
  while (!fluv__list_is_empty(&entries)) {
    fluv__list_t* link = entries.next;

    fluv__list_remove(link);
    place(wheel, fluv__container_of(link, fluv__wheel_node_t, link));
  }
}

fluv__wheel_node_t* fluv__wheel_pop(fluv__wheel_t* wheel, uint64_t now) {
  fluv__list_t* link;

  while (fluv__list_is_empty(&wheel->due)) {
    unsigned level = 0;
    unsigned slot = 0;
    uint64_t tick = earliest(wheel, &level, &slot);

    if (tick == UINT64_MAX || tick > now) {
      if (now > wheel->now)
        wheel->now = now;
      return NULL;
    }
    enter(wheel, tick, level, slot);
  }
  link = wheel->due.next;
  fluv__list_remove(link);
  wheel->count--;
  return fluv__container_of(link, fluv__wheel_node_t, link);
}
