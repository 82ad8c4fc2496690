/* SPDX-License-Identifier: MIT */
/* Names and texts of errors. */
#include <uv.h>

#include "core/internal.h"

static const struct {
  int err;
  const char* name;
  const char* text;
} own[] = {
  { FLUV_EBROKEN, "EBROKEN", "promise freed without an answer" },
  { FLUV_ENOLOOP, "ENOLOOP", "no fluv loop on this thread" },
  { FLUV_EDEADLK, "EDEADLK", "nothing is left that could end the wait" },
  { FLUV_ESTACK, "ESTACK", "no stack could be mapped for a task" },
  { FLUV_ECLOSED, "ECLOSED", "the channel or lock is closed" },
  { FLUV_ELAGGED, "ELAGGED", "messages were overwritten unread" },
  { FLUV_ESTOPPED, "ESTOPPED", "the loop or runtime is shut down" },
  /* Numbers of libuv that fluv also returns for reasons of its own. */
  { FLUV_EAGAIN, "EAGAIN", "not possible now; try again later" },
  { FLUV_EALREADY, "EALREADY", "already done or under way" },
  { FLUV_EBADF, "EBADF", "not open, or closed already" },
  { FLUV_EBUSY, "EBUSY", "in use by another operation" },
  { FLUV_ECANCELED, "ECANCELED", "canceled" },
  { FLUV_ETIMEDOUT, "ETIMEDOUT", "the time was over first" },
};

/* A number means one thing: what is libuv's, fluv's own, or the program's. */
#define FIRST_OWN (-5001)
#define LAST_OWN  (-5999)
_Static_assert((int) FLUV_EUSER_LAST < (int) FLUV_EUSER_FIRST &&
                   FLUV_EUSER_FIRST < LAST_OWN,
               "the program's numbers come after fluv's");
_Static_assert(FLUV_EBROKEN == FIRST_OWN && FLUV_ESTOPPED > LAST_OWN,
               "fluv's numbers lie in its range");
#define CHECK(name, text)                                                      \
 _Static_assert(UV_##name < 0 && (int) UV_##name > FIRST_OWN,                  \
                "libuv has taken a number of fluv's or of the program's");
UV_ERRNO_MAP(CHECK)
#undef CHECK

/* libuv's own functions leak a text for each unknown number: these list the
 * known ones. */
static const struct {
  int err;
  const char* name;
  const char* text;
} uvs[] = {
#define ROW(name, text) { UV_##name, #name, text },
  UV_ERRNO_MAP(ROW)
#undef ROW
};

const char* fluv_err_name(int64_t err) {
  size_t i;

  if (err <= FLUV_EUSER_FIRST && err >= FLUV_EUSER_LAST)
    return "EUSER";
  for (i = 0; i < FLUV__ARRAY_SIZE(own); i++)
    if (own[i].err == err)
      return own[i].name;
  for (i = 0; i < FLUV__ARRAY_SIZE(uvs); i++)
    if (uvs[i].err == err)
      return uvs[i].name;
  return "UNKNOWN";
}

const char* fluv_strerror(int64_t err) {
  size_t i;

  if (err >= 0)
    return "success";
  if (err <= FLUV_EUSER_FIRST && err >= FLUV_EUSER_LAST)
    return "an error of the program's own";
  for (i = 0; i < FLUV__ARRAY_SIZE(own); i++)
    if (own[i].err == err)
      return own[i].text;
  for (i = 0; i < FLUV__ARRAY_SIZE(uvs); i++)
    if (uvs[i].err == err)
      return uvs[i].text;
  return "unknown error";
}
