// Gated GELU with dropout. The backward pass recomputes the GELU from the linear layer's output.
#include "vector.cuh"

namespace pipeline {

struct Gate {
  float probability, density;  // of the standard normal distribution: below x, at x
};

__device__ inline Gate gate(float x, float) {
  return {0.5f * (1.f + erff(x * 0.70710678f)), 0.39894228f * expf(-0.5f * x * x)};
}

__device__ inline float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// For bf16: the error function by Abramowitz and Stegun 7.1.26 (error below 1.5e-7), which shares its exponential with
// the density.
__device__ inline Gate gate(float x, __nv_bfloat16) {
  float t = reciprocal(fmaf(0.3275911f * 0.70710678f, fabsf(x), 1.f));
  float exponential = power_of_two(-0.72134752f * x * x);  // exp(-x²/2)
  // Half of the published coefficients, because the probability is half of 1 + erf.
  float series = fmaf(
      fmaf(fmaf(fmaf(0.5307027145f, t, -0.7265760135f), t, 0.7107068705f), t, -0.142248368f), t, 0.127414796f);
  float tail = series * t * exponential;
  return {x < 0 ? tail : 1.f - tail, 0.39894228f * exponential};
}

template <class T>
__global__ void geglu_forward_kernel(const T *gated, T *out, int columns, Dropout dropout) {
  const int64_t row = blockIdx.x;
  const int vectors = columns / Vector<T>::size;
  const int64_t name = row_name(dropout, row);
  const T *gates = gated + row * 2 * columns, *values = gates + columns;
  // Two vectors at once, so that enough loads are in flight.
  for (int first = threadIdx.x; first < vectors; first += 2 * blockDim.x) {
    Raw raw_gates[2], raw_values[2];
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const int v = first + j * blockDim.x;
      raw_gates[j] = v < vectors ? load_raw(gates + v * Vector<T>::size) : Raw{};
      raw_values[j] = v < vectors ? load_raw(values + v * Vector<T>::size) : Raw{};
    }
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const int v = first + j * blockDim.x;
      if (v >= vectors) continue;
      Vector<T> x = unpack(raw_gates[j], T{}), y = unpack(raw_values[j], T{});
#pragma unroll
      for (int i = 0; i < Vector<T>::size; i++) y.at[i] *= x.at[i] * gate(x.at[i], T{}).probability;
      drop(y, dropout, name * vectors + v);
      store(out + row * columns + v * Vector<T>::size, y);
    }
  }
}

template <class T>
__global__ void geglu_backward_kernel(const T *gradient, const T *gated, T *gated_gradient, int columns, Dropout dropout) {
  const int64_t row = blockIdx.x;
  const int vectors = columns / Vector<T>::size;
  const T *gates = gated + row * 2 * columns, *values = gates + columns;
  const int64_t name = row_name(dropout, row);
  T *to = gated_gradient + row * 2 * columns;
  for (int v = threadIdx.x; v < vectors; v += blockDim.x) {
    Vector<T> g = load(gradient + row * columns + v * Vector<T>::size);
    Vector<T> x = load(gates + v * Vector<T>::size), y = load(values + v * Vector<T>::size);
    drop(g, dropout, name * vectors + v);
#pragma unroll
    for (int i = 0; i < Vector<T>::size; i++) {
      Gate normal = gate(x.at[i], T{});
      float slope = fmaf(x.at[i], normal.density, normal.probability);
      float activated = x.at[i] * normal.probability;
      x.at[i] = g.at[i] * y.at[i] * slope;
      y.at[i] = g.at[i] * activated;
    }
    store(to + v * Vector<T>::size, x);
    store(to + columns + v * Vector<T>::size, y);
  }
}

template <class T>
__global__ void drop_kernel(const T *x, T *out, int columns, Dropout dropout) {
  const int64_t row = blockIdx.x;
  const int64_t name = row_name(dropout, row);
  const int vectors = columns / Vector<T>::size;
  for (int v = threadIdx.x; v < vectors; v += blockDim.x) {
    Vector<T> value = load(x + row * columns + v * Vector<T>::size);
    drop(value, dropout, name * vectors + v);
    store(out + row * columns + v * Vector<T>::size, value);
  }
}

// As few passes over a row as its threads allow, without idle warps.
static unsigned row_threads(int64_t vectors, int64_t most) {
  int64_t passes = quotient_up(vectors, most);
  return static_cast<unsigned>(quotient_up(quotient_up(vectors, passes), 32) * 32);
}

void geglu_forward(Matrix shape, const void *gated, void *out, Dropout dropout, cudaStream_t stream) {
  if (shape.rows == 0) return;
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    geglu_forward_kernel<T><<<shape.rows, row_threads(shape.columns / Vector<T>::size, 192), 0, stream>>>(
        static_cast<const T *>(gated), static_cast<T *>(out), static_cast<int>(shape.columns), dropout);
  });
  launched("geglu");
}

void geglu_backward(
    Matrix shape, const void *gradient, const void *gated, void *gated_gradient, Dropout dropout, cudaStream_t stream) {
  if (shape.rows == 0) return;
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    geglu_backward_kernel<T><<<shape.rows, row_threads(shape.columns / Vector<T>::size, 384), 0, stream>>>(
        static_cast<const T *>(gradient), static_cast<const T *>(gated), static_cast<T *>(gated_gradient),
        static_cast<int>(shape.columns), dropout);
  });
  launched("geglu's gradient");
}

void drop_rows(Matrix shape, const void *x, void *out, Dropout dropout, cudaStream_t stream) {
  if (shape.rows == 0) return;
  with_type(shape.element, [&](auto type) {
    using T = decltype(type);
    drop_kernel<T><<<shape.rows, row_threads(shape.columns / Vector<T>::size, 192), 0, stream>>>(
        static_cast<const T *>(x), static_cast<T *>(out), static_cast<int>(shape.columns), dropout);
  });
  launched("dropout");
}

}  // namespace pipeline
