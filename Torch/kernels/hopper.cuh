// Hopper's tensor cores (compute capability 9.0 only): tiles arrive in shared memory by the copy engine, and a group of four
// warps multiplies them from there.
#pragma once
#include <cuda.h>

#include "tiles.cuh"

// The instructions exist only in code that is generated for exactly this capability (sm_90a).
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define PIPELINE_HOPPER 1
#endif

namespace pipeline::hopper {

// The rows of a tile, and what a group of four warps computes; a row of 64 values is 128 bytes.
constexpr int rows = 64, group_threads = 128;

struct alignas(1024) Rows {
  bf16 values[rows * 64];
};

__device__ inline uint32_t shared_address(const void *pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }

// MARK: Barriers

__device__ inline void barrier_init(uint64_t *barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals));
}

// Makes the initialized barriers visible to the copy engine.
__device__ inline void barriers_visible() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

__device__ inline void arrive(uint64_t *barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// Arrives, and expects so many bytes of copies.
__device__ inline void arrive_expecting(uint64_t *barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}

// Waits until the phase of this parity is over.
__device__ inline void wait(uint64_t *barrier, int parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// Of the four warps of a group.
__device__ inline void group_sync(int group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }

// MARK: Copies

// Copies 64 rows of 64 values at (column, row) of a map's matrix; a barrier counts their bytes.
__device__ inline void copy_rows(Rows &to, const CUtensorMap *map, int column, int row, uint64_t *barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          shared_address(&to)),
      "l"(map), "r"(column), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

// MARK: Products

// Describes rows of 64 values, swizzled by 128 bytes, to the tensor cores: eight rows are 1,024 bytes.
__device__ inline uint64_t descriptor(const Rows &tile) {
  return (shared_address(&tile) & 0x3ffffu) >> 4 | 1ull << 16 | 64ull << 32 | 1ull << 62;
}
// What to add to a descriptor for the next 16 values of each row, and for the next 16 rows.
constexpr uint64_t next_values = 2, next_rows = 128;

__device__ inline void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most `pending` groups of products are under way.
template <int pending>
__device__ inline void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

// [64, 64] of four warps: of its 16 rows a lane holds for each eighth column what Sums says.
using GroupSums = Sums[8];

// The left side of four products, each of 16 columns.
using GroupLeft = Fragment[4];

// Nothing that reads the sums is moved to before this point, and nothing that a product reads is overwritten before it: products
// read registers long after they were begun. To be called after the wait for them.
__device__ inline void settle(GroupSums &sums) {
#pragma unroll
  for (int i = 0; i < 8; i++)
    asm volatile("" : "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])::"memory");
}

__device__ inline void settle(GroupLeft &left) {
#pragma unroll
  for (int i = 0; i < 4; i++)
    asm volatile("" : "+r"(left[i].at[0]), "+r"(left[i].at[1]), "+r"(left[i].at[2]), "+r"(left[i].at[3])::"memory");
}

#define PIPELINE_SUMS                                                                                                        \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                                  \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define PIPELINE_SUMS_OF(sums)                                                                                               \
  "+f"(sums[0][0]), "+f"(sums[0][1]), "+f"(sums[0][2]), "+f"(sums[0][3]), "+f"(sums[1][0]), "+f"(sums[1][1]),                \
      "+f"(sums[1][2]), "+f"(sums[1][3]), "+f"(sums[2][0]), "+f"(sums[2][1]), "+f"(sums[2][2]), "+f"(sums[2][3]),            \
      "+f"(sums[3][0]), "+f"(sums[3][1]), "+f"(sums[3][2]), "+f"(sums[3][3]), "+f"(sums[4][0]), "+f"(sums[4][1]),            \
      "+f"(sums[4][2]), "+f"(sums[4][3]), "+f"(sums[5][0]), "+f"(sums[5][1]), "+f"(sums[5][2]), "+f"(sums[5][3]),            \
      "+f"(sums[6][0]), "+f"(sums[6][1]), "+f"(sums[6][2]), "+f"(sums[6][3]), "+f"(sums[7][0]), "+f"(sums[7][1]),            \
      "+f"(sums[7][2]), "+f"(sums[7][3])

// sums [64, 64] = a [64, 16] · b [64, 16]ᵀ, added to the sums if `adds`. All 64 rows of both lie in shared memory.
__device__ inline void multiply(GroupSums &sums, uint64_t a, uint64_t b, int adds) {
#ifdef PIPELINE_HOPPER
  asm volatile("{\n.reg .pred adds;\nsetp.ne.b32 adds, %34, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " PIPELINE_SUMS ", %32, %33, adds, 1, 1, 0, 0;\n}\n"
               : PIPELINE_SUMS_OF(sums)
               : "l"(a), "l"(b), "r"(adds));
#endif
}

// sums [64, 64] += a [64, 16] · b [16, 64], with a's rows in registers.
__device__ inline void add_product(GroupSums &sums, const Fragment &a, uint64_t b) {
#ifdef PIPELINE_HOPPER
  asm volatile("{\n.reg .pred adds;\nsetp.ne.b32 adds, %37, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " PIPELINE_SUMS
               ", {%32, %33, %34, %35}, %36, adds, 1, 1, 1;\n}\n"
               : PIPELINE_SUMS_OF(sums)
               : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "l"(b), "r"(1));
#endif
}

#undef PIPELINE_SUMS
#undef PIPELINE_SUMS_OF

// A map of a bf16 matrix [rows, columns], whose rows follow one another, in boxes of 64 rows and 64 columns. Boxes that reach
// beyond the matrix get zeros there.
CUtensorMap matrix_map(const void *matrix, int64_t rows, int64_t columns);

}  // namespace pipeline::hopper
