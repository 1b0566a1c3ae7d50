#include "CKernels.h"

#include <malloc.h>

void pl_use_one_arena(void) { mallopt(M_ARENA_MAX, 1); }
