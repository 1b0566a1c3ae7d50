#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

#include "CKernels.h"

int pl_processors(void) {
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
  return online > 0 ? (int)online : 1;
}
