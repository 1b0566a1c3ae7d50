// Rotary positions (Su et al. 2021), in place, on queries and keys where the linear layer wrote them: [tokens, 3·heads·d].
#include "vector.cuh"

namespace pipeline {

// A thread turns one vector of a head's first half together with its partner in the second half.
template <class T>
__global__ void __launch_bounds__(256) rotary_kernel(Rotary to, T *qkv) {
  constexpr int size = Vector<T>::size;
  const int half = to.size / 2, vectors = half / size;
  const int64_t place = int64_t{blockIdx.x} * 256 + threadIdx.x, per_token = 2 * to.heads * vectors;
  if (place >= to.tokens * per_token) return;
  const int64_t token = place / per_token, rest = place % per_token;
  const int64_t head = rest / vectors, first = rest % vectors * size;
  T *low = qkv + (token * 3 * to.heads + head) * to.size + first, *high = low + half;
  const float *cosine = to.cosine + to.positions[token] * half + first, *sine = to.sine + to.positions[token] * half + first;
  const Vector<T> a = load(low), b = load(high);
  Vector<T> x, y;
#pragma unroll
  for (int i = 0; i < size; i += 4) {
    const float4 c = *reinterpret_cast<const float4 *>(cosine + i), s = *reinterpret_cast<const float4 *>(sine + i);
    const float cosines[4] = {c.x, c.y, c.z, c.w}, sines[4] = {s.x, s.y, s.z, s.w};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const float turn = to.backward ? -sines[j] : sines[j];
      x.at[i + j] = a.at[i + j] * cosines[j] - b.at[i + j] * turn;
      y.at[i + j] = b.at[i + j] * cosines[j] + a.at[i + j] * turn;
    }
  }
  store(low, x);
  store(high, y);
}

void rotary(Element element, const Rotary &to, cudaStream_t stream) {
  if (to.tokens == 0) return;
  with_type(element, [&](auto type) {
    using T = decltype(type);
    const int64_t pairs = to.tokens * 2 * to.heads * (to.size / 2 / Vector<T>::size);
    rotary_kernel<T><<<static_cast<unsigned>(quotient_up(pairs, 256)), 256, 0, stream>>>(to, static_cast<T *>(to.qkv));
  });
  launched("rotary positions");
}

}  // namespace pipeline
