/* SPDX-License-Identifier: MIT */
/* Circular doubly linked list with a head; entries are embedded. */
#ifndef FLUV_BASE_LIST_H
#define FLUV_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fluv__list {
  struct fluv__list* next;
  struct fluv__list* prev;
} fluv__list_t;

#define fluv__container_of(ptr, type, member)                                  \
 ((type*) (void*) ((char*) (ptr) -offsetof(type, member)))

#define fluv__list_foreach(it, head)                                           \
 for ((it) = (head)->next; (it) != (head); (it) = (it)->next)

static inline void fluv__list_init(fluv__list_t* head) {
  head->next = head;
  head->prev = head;
}

static inline bool fluv__list_is_empty(const fluv__list_t* head) {
  return head->next == head;
}

static inline void fluv__list_append(fluv__list_t* head, fluv__list_t* item) {
  fluv__list_t* last = head->prev;

  item->next = head;
  item->prev = last;
  last->next = item;
  head->prev = item;
}

static inline void fluv__list_prepend(fluv__list_t* head, fluv__list_t* item) {
  fluv__list_append(head->next, item);
}

static inline void fluv__list_remove(fluv__list_t* item) {
  item->prev->next = item->next;
  item->next->prev = item->prev;
}

/* Move all of `from` to the empty list `to`. */
static inline void fluv__list_move(fluv__list_t* from, fluv__list_t* to) {
  if (fluv__list_is_empty(from)) {
    fluv__list_init(to);
    return;
  }
  *to = *from;
  to->next->prev = to;
  to->prev->next = to;
  fluv__list_init(from);
}

#endif /* FLUV_BASE_LIST_H */
