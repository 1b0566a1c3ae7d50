#include "vectors.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

/// Sixteen sums, whatever the width of a register: the order of additions is the same everywhere.
typedef float sums __attribute__((vector_size(PL_VECTOR_GROUP * sizeof(float))));

INLINE void load(sums *group, const float *numbers) { memcpy(group, numbers, sizeof(sums)); }

INLINE float total(const sums *parts) {
  float p[PL_VECTOR_GROUP];
  memcpy(p, parts, sizeof p);
  for (int step = PL_VECTOR_GROUP / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) p[i] += p[i + step];
  return p[0];
}

INLINE void products(const float *vector, const float *others, size_t rows, size_t width, float *out) {
  size_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float *o = others + row * width;
    sums a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i < width; i += PL_VECTOR_GROUP) {
      sums v, w, x, y, z;
      load(&v, vector + i);
      load(&w, o + i);
      load(&x, o + width + i);
      load(&y, o + 2 * width + i);
      load(&z, o + 3 * width + i);
      a += v * w;
      b += v * x;
      c += v * y;
      d += v * z;
    }
    out[row] = total(&a);
    out[row + 1] = total(&b);
    out[row + 2] = total(&c);
    out[row + 3] = total(&d);
  }
  for (; row < rows; row++) {
    sums a = {0};
    for (size_t i = 0; i < width; i += PL_VECTOR_GROUP) {
      sums v, w;
      load(&v, vector + i);
      load(&w, others + row * width + i);
      a += v * w;
    }
    out[row] = total(&a);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void products_avx2(const float *vector, const float *others, size_t rows,
                                                          size_t width, float *out) {
  products(vector, others, rows, width, out);
}
__attribute__((target("avx512f,avx512vl,avx512dq"))) static void products_avx512(const float *vector,
                                                                                const float *others, size_t rows,
                                                                                size_t width, float *out) {
  products(vector, others, rows, width, out);
}
#endif

void pl_inner_products(pl_simd_level level, const float *vector, const float *others, size_t rows, size_t width,
                       float *out) {
#if defined(__x86_64__)
  if (level == PL_SIMD_AVX512) return products_avx512(vector, others, rows, width, out);
  if (level == PL_SIMD_AVX2) return products_avx2(vector, others, rows, width, out);
#endif
  products(vector, others, rows, width, out);
}
