// Kernels of vector search.
#ifndef CKERNELS_VECTORS_H
#define CKERNELS_VECTORS_H
#include <stddef.h>

#include "minhash.h"

/// Numbers of a vector come in groups of this many; the last one is filled up with zeros.
enum { PL_VECTOR_GROUP = 16 };

/// The inner products of a vector with `rows` others, which stand one after the other. `width` is a multiple of
/// PL_VECTOR_GROUP. All instruction-set levels add in the same order, so that they give the same bits.
void pl_inner_products(pl_simd_level level, const float *_Nonnull vector, const float *_Nonnull others, size_t rows,
                       size_t width, float *_Nonnull out);

#endif
