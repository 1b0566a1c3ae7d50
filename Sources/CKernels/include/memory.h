#pragma once

/// Begins to load what lies at an address, which need not be one of the program's.
static inline void pl_prefetch(const void *address) { __builtin_prefetch(address); }
