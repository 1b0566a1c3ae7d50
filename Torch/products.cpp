// The products of a linear layer on a GPU, by the algorithm that is fastest for their shape.
//
// cuBLAS orders algorithms by an estimate. On an H200, which its power limits, another one of its own first eight is faster
// for some shapes: measured over a quarter of a second each, with 131,072 rows, in TFLOP/s:
//
//   inner × outer            first  preferred, its tile
//   768 × 6,144                609  675        128 × 160
//   768 × 3,072                588  658        128 × 160
//   768 × 768                  567  624        128 × 160
//   2,304 × 768                647  664        128 × 160
//   768 × 768, with a bias     560  603        128 × 128
//
// The choice is a rule, not a measurement at run time: the same shapes always take the same algorithm.
#ifdef PIPELINE_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAGuard.h>
#include <cublasLt.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>

#include "fused.h"

namespace pipeline::fused {

static void require(cublasStatus_t status) {
  TORCH_CHECK(status == CUBLAS_STATUS_SUCCESS, "a product of matrices failed: cuBLAS error ", static_cast<int>(status));
}

// MARK: Descriptions

template <class T, cublasStatus_t (*destroy)(T)>
struct Destroyed {
  T value{};
  ~Destroyed() { destroy(value); }
  operator T() const { return value; }
};

using Operation = Destroyed<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Destroyed<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Destroyed<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// out [rows, outer] = x [rows, inner] · weight, which is [outer, inner] if it is transposed and [inner, outer] if not. cuBLAS
// reads columns first: to it, all of these are transposed.
struct Product {
  int64_t rows, inner, outer;
  bool is_transposed, has_bias;

  std::array<int64_t, 6> key() const { return {at::cuda::current_device(), rows, inner, outer, is_transposed, has_bias}; }
};

struct Description {
  Operation operation;
  Layout weight, x, out;

  explicit Description(const Product &of, const void *bias) {
    require(cublasLtMatmulDescCreate(&operation.value, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const auto set = [&](auto attribute, auto value) {
      require(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)));
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, of.is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (of.has_bias) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    const auto columns = [](Layout &layout, int64_t height, int64_t count) {
      require(cublasLtMatrixLayoutCreate(&layout.value, CUDA_R_16BF, height, count, height));
    };
    if (of.is_transposed) columns(weight, of.inner, of.outer);
    else columns(weight, of.outer, of.inner);
    columns(x, of.inner, of.rows);
    columns(out, of.outer, of.rows);
  }
};

// MARK: The choice

// The tile that is preferred to cuBLAS's first choice.
static std::optional<cublasLtMatmulTile_t> preferred(const Product &of) {
  if (of.rows < 8192) return {};
  if (!of.has_bias && of.inner < 4096) return CUBLASLT_MATMUL_TILE_128x160;
  if (of.has_bias && of.inner <= 1024 && of.outer <= 1024) return CUBLASLT_MATMUL_TILE_128x128;
  return {};
}

using Choice = std::optional<cublasLtMatmulHeuristicResult_t>;

static bool has(const cublasLtMatmulAlgo_t &algorithm, cublasLtMatmulTile_t tile) {
  uint32_t own = 0;
  int32_t parts = 0;
  uint16_t cluster = 0;
  const auto get = [&](auto attribute, auto &value) {
    return cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), nullptr) == CUBLAS_STATUS_SUCCESS;
  };
  return get(CUBLASLT_ALGO_CONFIG_TILE_ID, own) && get(CUBLASLT_ALGO_CONFIG_SPLITK_NUM, parts) &&
         get(CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, cluster) && own == static_cast<uint32_t>(tile) && parts <= 1 &&
         cluster == CUBLASLT_CLUSTER_SHAPE_2x1x1;
}

static Choice choose(const Product &of, const Description &description) {
  const auto tile = preferred(of);
  if (!tile) return {};
  Preference preference;
  require(cublasLtMatmulPreferenceCreate(&preference.value));
  const size_t memory = 1 << 20;
  require(cublasLtMatmulPreferenceSetAttribute(
      preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &memory, sizeof(memory)));
  std::array<cublasLtMatmulHeuristicResult_t, 8> known;
  int count = 0;
  const auto status = cublasLtMatmulAlgoGetHeuristic(
      at::cuda::getCurrentCUDABlasLtHandle(), description.operation, description.weight, description.x, description.out,
      description.out, preference, known.size(), known.data(), &count);
  if (status != CUBLAS_STATUS_SUCCESS) return {};
  for (int i = 0; i < count; i++)
    if (known[i].state == CUBLAS_STATUS_SUCCESS && has(known[i].algo, *tile)) return known[i];
  return {};
}

static Choice choice(const Product &of, const Description &description) {
  static std::mutex mutex;
  static std::map<std::array<int64_t, 6>, Choice> choices;
  const std::lock_guard<std::mutex> lock(mutex);
  // Numbers of masked rows differ from step to step.
  if (choices.size() > 4096) choices.clear();
  const auto key = of.key();
  const auto found = choices.find(key);
  return found != choices.end() ? found->second : choices[key] = choose(of, description);
}

// MARK: The product

static bool is_hopper() {
  const auto *properties = at::cuda::getCurrentDeviceProperties();
  return properties->major == 9 && properties->minor == 0;
}

at::Tensor product(const at::Tensor &x, const at::Tensor &weight, bool is_transposed, const MaybeTensor &bias) {
  c10::cuda::CUDAGuard device(x.device());
  const Product of{x.size(0), x.size(1), weight.size(is_transposed ? 0 : 1), is_transposed, bias.has_value()};
  // cuBLAS takes addresses of this alignment for granted where it is not told otherwise.
  const auto is_fit = [](const at::Tensor &t) {
    return t.scalar_type() == at::kBFloat16 && t.is_contiguous() && reinterpret_cast<uintptr_t>(t.data_ptr()) % 256 == 0;
  };
  const bool fits = preferred(of) && is_hopper() && is_fit(x) && is_fit(weight) && (!bias || is_fit(*bias)) &&
                    of.inner % 8 == 0 && of.outer % 8 == 0 && weight.size(is_transposed ? 1 : 0) == of.inner &&
                    (!bias || bias->numel() == of.outer);
  if (fits) {
    const Description description(of, bias ? bias->data_ptr() : nullptr);
    if (const auto chosen = choice(of, description)) {
      auto out = at::empty({of.rows, of.outer}, x.options());
      auto memory = at::empty({static_cast<int64_t>(chosen->workspaceSize)}, x.options().dtype(at::kByte));
      const float one = 1, none = 0;
      const auto status = cublasLtMatmul(
          at::cuda::getCurrentCUDABlasLtHandle(), description.operation, &one, weight.data_ptr(), description.weight,
          x.data_ptr(), description.x, &none, out.data_ptr(), description.out, out.data_ptr(), description.out,
          &chosen->algo, memory.data_ptr(), chosen->workspaceSize, at::cuda::getCurrentCUDAStream());
      if (status == CUBLAS_STATUS_SUCCESS) return out;
    }
  }
  auto across = is_transposed ? weight.t() : weight;
  return bias ? at::addmm(*bias, x, across) : at::mm(x, across);
}

}  // namespace pipeline::fused
#endif
