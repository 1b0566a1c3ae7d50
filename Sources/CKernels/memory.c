#define _GNU_SOURCE
#include "CKernels.h"

#include <malloc.h>
#include <sys/mman.h>

void pl_return_freed_memory(void) { malloc_trim(0); }

void pl_use_one_arena(void) { mallopt(M_ARENA_MAX, 1); }

void *pl_resize_pages(void *start, size_t length, size_t wanted) {
  void *moved = mremap(start, length, wanted, MREMAP_MAYMOVE);
  return moved == MAP_FAILED ? NULL : moved;
}
