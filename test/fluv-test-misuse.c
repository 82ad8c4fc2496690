/* SPDX-License-Identifier: MIT */
/* Reports that must name places. */
#include "fluv-test-misuse.h"

#include <sys/wait.h>

void check_abort(void (*fn)(void* arg), const char* part) {
  int status = 0;
  char* text = test_stderr_of(fn, NULL, &status);
  char* report = text;
  char* line = text;
  int places = 0;

  while (strncmp(report, "expect ", 7) == 0) {
    report = strchr(report, '\n') + 1;
    places++;
  }
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                "no abort, status %#x, stderr: %s",
                (unsigned) status,
                text);
  if (part != NULL)
    ck_assert_has(report, part);
  while (places-- > 0) {
    char* end = strchr(line, '\n');
    *end = '\0';
    ck_assert_has(report, line + 7);
    line = end + 1;
  }
  free(text);
}
