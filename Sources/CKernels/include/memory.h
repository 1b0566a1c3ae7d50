#ifndef CKERNELS_MEMORY_H
#define CKERNELS_MEMORY_H

/// Begins to load what lies at an address, which need not be one of the program's.
static inline void pl_prefetch(const void *_Nullable address) { __builtin_prefetch(address); }

#endif
