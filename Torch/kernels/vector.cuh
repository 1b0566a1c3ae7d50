// Shared by the kernels: 16-byte vectors, sums over a warp, random bits.
#pragma once
#include <cuda_bf16.h>

#include <stdexcept>
#include <string>

#include "kernels.h"

namespace pipeline {

// 16 bytes of a tensor, converted to fp32.
template <class T>
struct Vector {
  static constexpr int size = 16 / sizeof(T);
  float at[size];
};

// The same 16 bytes as stored in memory.
using Raw = uint4;

template <class T>
__device__ inline Raw load_raw(const T *from) {
  return *reinterpret_cast<const Raw *>(from);
}

__device__ inline Vector<__nv_bfloat16> unpack(Raw raw, __nv_bfloat16) {
  const uint32_t word[4] = {raw.x, raw.y, raw.z, raw.w};
  Vector<__nv_bfloat16> v;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    v.at[2 * i] = __uint_as_float(word[i] << 16);
    v.at[2 * i + 1] = __uint_as_float(word[i] & 0xffff0000u);
  }
  return v;
}

__device__ inline Vector<float> unpack(Raw raw, float) {
  return {{__uint_as_float(raw.x), __uint_as_float(raw.y), __uint_as_float(raw.z), __uint_as_float(raw.w)}};
}

template <class T>
__device__ inline Vector<T> load(const T *from) {
  return unpack(load_raw(from), T{});
}

__device__ inline uint32_t packed(float low, float high) {
  __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<uint32_t *>(&pair);
}

__device__ inline void store(__nv_bfloat16 *to, const Vector<__nv_bfloat16> &v) {
  *reinterpret_cast<uint4 *>(to) = make_uint4(
      packed(v.at[0], v.at[1]), packed(v.at[2], v.at[3]), packed(v.at[4], v.at[5]), packed(v.at[6], v.at[7]));
}

__device__ inline void store(float *to, const Vector<float> &v) {
  *reinterpret_cast<float4 *>(to) = make_float4(v.at[0], v.at[1], v.at[2], v.at[3]);
}

// The value as it will be stored in memory.
__device__ inline float rounded(float x, __nv_bfloat16) { return __bfloat162float(__float2bfloat16_rn(x)); }
__device__ inline float rounded(float x, float) { return x; }

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
  return x;
}

__device__ inline float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Philox4x32 (Salmon et al. 2011) with 7 rounds, the fewest that pass its authors' tests: eight 16-bit numbers, a
// function of the dropout's state and `place`.
__device__ inline uint4 random_bits(const Dropout &dropout, uint64_t place) {
  uint64_t seed = dropout.seed, offset = dropout.offset;
  if (dropout.seed_address) {
    seed = static_cast<uint64_t>(*dropout.seed_address);
    offset += static_cast<uint64_t>(*dropout.offset_address);
  }
  offset /= 4;  // torch counts individual numbers
  uint4 c = make_uint4(
      static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32), static_cast<uint32_t>(place),
      static_cast<uint32_t>(place >> 32));
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 7; round++) {
    uint64_t a = static_cast<uint64_t>(0xD2511F53u) * c.x, b = static_cast<uint64_t>(0xCD9E8D57u) * c.z;
    c = make_uint4(
        static_cast<uint32_t>(b >> 32) ^ c.y ^ key0, static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ c.w ^ key1, static_cast<uint32_t>(a));
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

// A row's id for dropout.
__device__ inline int64_t row_name(const Dropout &dropout, int64_t row) {
  return dropout.threshold > 0 && dropout.rows ? dropout.rows[row] : row;
}

// Applies dropout to a vector; `place` is its index within the tensor, based on the rows' ids.
template <class T>
__device__ inline void drop(Vector<T> &v, const Dropout &dropout, uint64_t place) {
  if (dropout.threshold == 0) return;
  uint4 bits = random_bits(dropout, place);
  const uint32_t word[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < Vector<T>::size; i++) {
    uint32_t number = i % 2 == 0 ? word[i / 2] & 0xffffu : word[i / 2] >> 16;
    v.at[i] = number < dropout.threshold ? 0.f : v.at[i] * dropout.scale;
  }
}

// Calls `work` with a value of the element type.
template <class Work>
void with_type(Element element, Work &&work) {
  if (element == Element::bfloat16)
    work(__nv_bfloat16{});
  else
    work(float{});
}

inline void launched(const char *kernel) {
  cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string(kernel) + ": " + cudaGetErrorString(error));
}

inline int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace pipeline
