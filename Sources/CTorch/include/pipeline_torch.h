// The training engine's interface: a table of C functions over libtorch, found in `libpipelinetorch.so`.
//
// For every function that returns `int`: 0 is success; anything else is a failure whose message `last_error` returns
// for the calling thread. No exceptions cross the interface. Results are returned through out-parameters, and every
// returned `pt_tensor *` belongs to the caller, who frees it. Shapes are written [rows, columns].
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Increased with every change of this header; the loader rejects any other version.
#define PIPELINE_TORCH_ABI 9

typedef struct pt_tensor pt_tensor;
typedef struct pt_group pt_group;
typedef struct pt_exchange pt_exchange;
typedef struct pt_flat pt_flat;
typedef struct pt_store pt_store;
typedef struct pt_figures pt_figures;

enum pt_dtype { PT_FLOAT32 = 0, PT_BFLOAT16 = 1, PT_INT64 = 2, PT_INT32 = 3, PT_BOOL = 4, PT_FLOAT64 = 5, PT_UINT8 = 6 };

// `index` is -1 for the CPU, otherwise the number of a CUDA device.
typedef struct {
  int32_t index;
} pt_device;

// Called twice for a checkpointed block: without gradient in the forward pass, with it in the backward pass. Borrows
// its input handles and returns a new one; returns 0 or a failure.
typedef int (*pt_block)(void *context, pt_tensor *const *inputs, size_t count, pt_tensor **output);

typedef struct {
  uint32_t abi;

  // Engine
  const char *(*last_error)(void);
  const char *(*version)(void);               // torch's own, such as 2.13.0+cpu
  int32_t (*device_count)(void);              // CUDA devices
  int (*device_name)(pt_device, char *name, size_t capacity);
  int (*set_threads)(int32_t count);
  int (*seed)(uint64_t seed);                 // every generator: CPU and the current CUDA device
  int (*set_gradient)(bool enabled);          // of the calling thread
  int (*synchronize)(pt_device);
  int (*peak_memory)(pt_device, int64_t *bytes);

  // Tensors
  void (*free)(pt_tensor *);
  int (*alias)(const pt_tensor *, pt_tensor **out);         // another handle to the same tensor
  int32_t (*rank)(const pt_tensor *);
  int64_t (*size)(const pt_tensor *, int32_t dimension);
  int32_t (*dtype)(const pt_tensor *);
  int (*from_host)(const void *bytes, int32_t dtype, const int64_t *shape, size_t rank, pt_device, pt_tensor **out);
  int (*to_host)(const pt_tensor *, void *bytes, size_t capacity);   // contiguous, in the tensor's own dtype
  int (*write_host)(pt_tensor *, const void *bytes, size_t count);   // fills in place
  int (*full)(double value, int32_t dtype, const int64_t *shape, size_t rank, pt_device, pt_tensor **out);
  int (*normal)(double mean, double deviation, int32_t dtype, const int64_t *shape, size_t rank, pt_device, pt_tensor **out);
  int (*to)(const pt_tensor *, int32_t dtype, pt_device, pt_tensor **out);
  int (*item)(const pt_tensor *, double *out);

  // Gradients
  int (*require_gradient)(pt_tensor *, bool);
  int (*gradient)(const pt_tensor *, pt_tensor **out);      // NULL if there is none
  int (*clear_gradient)(pt_tensor *);
  int (*backward)(const pt_tensor *loss);
  int (*detach)(const pt_tensor *, pt_tensor **out);
  int (*checkpoint)(pt_block, void *context, void (*release)(void *), pt_tensor *const *inputs, size_t count, pt_tensor **out);

  // Shapes and rows
  int (*reshape)(const pt_tensor *, const int64_t *shape, size_t rank, pt_tensor **out);
  int (*narrow)(const pt_tensor *, int32_t dimension, int64_t start, int64_t length, pt_tensor **out);
  int (*expand)(const pt_tensor *, const int64_t *shape, size_t rank, pt_tensor **out);
  int (*select_rows)(const pt_tensor *, const pt_tensor *rows, pt_tensor **out);                    // [n, d], [m] → [m, d]
  int (*scatter_rows)(const pt_tensor *, const pt_tensor *rows, int64_t total, pt_tensor **out);    // [m, d], [m] → [total, d], zeros elsewhere

  // Arithmetic
  int (*add)(const pt_tensor *, const pt_tensor *, double scale, pt_tensor **out);   // a + scale·b
  int (*multiply)(const pt_tensor *, const pt_tensor *, pt_tensor **out);
  int (*divide)(const pt_tensor *, const pt_tensor *, pt_tensor **out);
  int (*affine)(const pt_tensor *, double scale, double shift, pt_tensor **out);     // scale·a + shift
  int (*unary)(const pt_tensor *, int32_t function, pt_tensor **out);                // see pt_unary
  int (*sum)(const pt_tensor *, int32_t dimension, bool keep, pt_tensor **out);      // dimension below -rank: over all
  int (*mean)(const pt_tensor *, int32_t dimension, bool keep, pt_tensor **out);
  int (*norm)(const pt_tensor *, int32_t dimension, bool keep, pt_tensor **out);     // Euclidean
  int (*argmax)(const pt_tensor *, int32_t dimension, pt_tensor **out);

  // Transformer operations
  int (*embedding)(const pt_tensor *weight, const pt_tensor *ids, int64_t padding, pt_tensor **out);   // [V, d], [n] → [n, d]
  int (*linear)(const pt_tensor *x, const pt_tensor *weight, const pt_tensor *bias, pt_tensor **out);  // bias may be NULL
  int (*layer_norm)(const pt_tensor *x, const pt_tensor *weight, const pt_tensor *bias, double epsilon, pt_tensor **out);
  // `rows` [n] int64 identifies the rows for dropout, so that a batch split differently drops the same values; NULL: by
  // row number.
  int (*dropout)(const pt_tensor *x, const pt_tensor *rows, double probability, bool training, pt_tensor **out);
  // layer_norm(dropout(x) + residual)
  int (*dropout_add_norm)(const pt_tensor *x, const pt_tensor *residual, const pt_tensor *rows, const pt_tensor *weight,
                          const pt_tensor *bias, double probability, bool training, double epsilon, pt_tensor **out);
  // dropout(gelu(x[:, :h]) · x[:, h:]): [n, 2h] → [n, h]
  int (*geglu)(const pt_tensor *x, const pt_tensor *rows, double probability, bool training, pt_tensor **out);
  // qkv [batch·length, 3·heads·d] in the order (q|k|v) × head × d; bias NULL or broadcastable to
  // [batch, heads, length, length], added to q·k/√d; cosine and sine NULL or [length, d] (rotary, half-split form)
  // → [batch·length, heads·d]. `samples` [batch] int64 identifies the sequences for dropout (CPU only);
  // NULL: by number.
  int (*attention)(const pt_tensor *qkv, int64_t batch, int64_t length, int64_t heads, const pt_tensor *bias,
                   const pt_tensor *cosine, const pt_tensor *sine, const pt_tensor *samples, double dropout, bool training,
                   pt_tensor **out);
  // Biases of attention in which sequences of several segments see only their own: segments [batch, length] are numbers;
  // 0 between places of the same number, -10000 elsewhere → [batch, 1, length, length]
  int (*separation)(const pt_tensor *segments, int32_t dtype, pt_tensor **out);
  // Whether segmented_attention takes tensors of this type on this device.
  bool (*takes_segments)(const pt_tensor *x);
  // Attention within segments, with heads of size 64, on a GPU: qkv [tokens, 3·heads·64]; bounds [2, tokens] int32, where
  // each token's segment begins and ends, or NULL: segments of `length` tokens; slopes [heads] float32, what scores lose
  // per token of distance, or NULL → [tokens, heads·64]
  int (*segmented_attention)(const pt_tensor *qkv, int64_t length, int64_t heads, const pt_tensor *bounds,
                             const pt_tensor *slopes, pt_tensor **out);
  // Rotary positions: turns queries and keys of qkv [tokens, 3·heads·d] by positions [tokens] int64; cosine and sine are
  // float32 [positions, d/2] (half-split form). The result may be qkv itself, changed.
  int (*rotary)(const pt_tensor *qkv, int64_t heads, const pt_tensor *cosine, const pt_tensor *sine,
                const pt_tensor *positions, pt_tensor **out);
  // sum = x + residual; out = layer_norm(sum)
  int (*add_norm)(const pt_tensor *x, const pt_tensor *residual, const pt_tensor *weight, const pt_tensor *bias,
                  double epsilon, pt_tensor **sum, pt_tensor **out);
  // mean over rows whose label is not `ignored`; [n, classes], [n]
  int (*cross_entropy)(const pt_tensor *logits, const pt_tensor *labels, int64_t ignored, bool sum, pt_tensor **out);

  // Lists of parameters
  int (*copy_all)(pt_tensor *const *to, pt_tensor *const *from, size_t count);       // converts dtypes
  int (*add_all)(pt_tensor *const *to, pt_tensor *const *from, size_t count, double scale);
  int (*scale_all)(pt_tensor *const *, size_t count, double factor);
  int (*norm_all)(pt_tensor *const *, size_t count, pt_tensor **out);                // one number, on the device
  // Scales the tensors so that their norm is at most `maximum`; 0: no maximum. If `divisor`, one number on the device,
  // is not NULL, the tensors are also divided by it: `norm` is then the norm of the result.
  int (*clip_all)(
      pt_tensor *const *, size_t count, const pt_tensor *norm, double maximum, const pt_tensor *divisor);
  // Decoupled weight decay (torch.optim.AdamW). `step` counts from 1. If `figure`, one number on the device, is not
  // finite, nothing changes; NULL: always update.
  int (*adamw)(pt_tensor *const *weights, pt_tensor *const *gradients, pt_tensor *const *first,
               pt_tensor *const *second, size_t count, int64_t step, double rate, double beta1, double beta2,
               double decay, double epsilon, const pt_tensor *figure);

  // Muon (torch.optim.Muon with match_rms_adamw): each weight is `parts` matrices of equal size, one below the other. The
  // gradients are clipped and divided on the way, as by `clip_all`, and not changed; `figure` as in `adamw`.
  int (*muon)(pt_tensor *const *weights, pt_tensor *const *gradients, pt_tensor *const *averages, const int64_t *parts,
              size_t count, double rate, double momentum, double decay, int64_t iterations, bool in_bfloat16,
              const pt_tensor *norm, double maximum, const pt_tensor *divisor, const pt_tensor *figure);

  // Several processes. `backend` is "gloo" or "nccl".
  int (*group_join)(const char *backend, const char *host, int32_t port, int32_t rank, int32_t size, pt_device,
                    double timeout_seconds, pt_group **out);
  int (*group_sum)(pt_group *, pt_tensor *const *, size_t count);                    // in place, on every rank
  int (*group_broadcast)(pt_group *, pt_tensor *const *, size_t count, int32_t root);
  void (*group_leave)(pt_group *);

  // AdamW's state of a model that computes in bf16: from here on the tensors of each list are parts of one piece of memory.
  // Processes of a group (NULL: none) each sum, update and keep a part of every bucket of about `bucket_bytes`.
  // `kinds`: of each parameter, see pt_kind.
  int (*flat_new)(pt_group *, pt_tensor *const *working, pt_tensor *const *masters, pt_tensor *const *sums,
                  pt_tensor *const *first, pt_tensor *const *second, const uint8_t *kinds, size_t count,
                  int64_t bucket_bytes, pt_flat **out);
  int (*flat_norm)(pt_flat *, pt_tensor **out);               // of the sums: one number, on the device
  // As `clip_all` and `adamw`, and then all processes have the new working weights. The sums are not used again.
  int (*flat_step)(pt_flat *, int64_t step, double rate, double beta1, double beta2, double decay, double epsilon,
                   const pt_tensor *norm, double maximum, const pt_tensor *divisor, const pt_tensor *figure);
  int (*flat_gather)(pt_flat *);                              // master weights and moments, of all processes' parts
  void (*flat_free)(pt_flat *);

  // Sums gradients over a group while the backward pass still computes others, in buckets. The sums end in those of `flat`,
  // each process's part alone, whose buckets these are; or, if it is NULL, in the parameters' gradients, in buckets of about
  // `bucket_bytes`. Every rank calls these functions in the same order with respect to those of the group.
  int (*exchange_new)(pt_group *, pt_tensor *const *parameters, size_t count, pt_flat *flat, int64_t bucket_bytes,
                      pt_exchange **out);
  // Before the last backward pass of a step. `adds`: `sums` already hold gradients of it.
  int (*exchange_arm)(pt_exchange *, bool adds);
  // After the last backward pass: sends what has not been sent. `any`: this process has had a backward pass in this step.
  // `early`: the buckets that were sent before.
  int (*exchange_flush)(pt_exchange *, bool any, int64_t *early);
  int (*exchange_finish)(pt_exchange *);                                              // waits for the sums
  void (*exchange_free)(pt_exchange *);

  // A connection of its own to the key-value store that rank 0 of a group serves.
  int (*store_open)(const char *host, int32_t port, double timeout_seconds, pt_store **out);
  int (*store_add)(pt_store *, const char *key, int64_t amount, int64_t *out);        // an absent key counts as 0
  int (*store_set)(pt_store *, const char *key, const void *bytes, size_t count);
  int (*store_get)(pt_store *, const char *key, void *bytes, size_t capacity, size_t *count);  // count 0: there is none
  void (*store_close)(pt_store *);

  // Copies all elements of the tensors to the host, without waiting for the device.
  int (*figures_copy)(pt_tensor *const *tensors, size_t count, pt_figures **out);
  int (*figures_read)(pt_figures *, double *values, size_t count);   // waits for the copy, not for later work
  void (*figures_free)(pt_figures *);
} pt_engine;

enum pt_unary { PT_TANH = 0, PT_GELU = 1 };

// What AdamW does to a parameter: weight decay, none, or nothing at all, because another optimizer updates it.
enum pt_kind { PT_DECAYS = 0, PT_KEEPS_SIZE = 1, PT_LEFT = 2 };

// The library's one exported symbol. Returns NULL if it does not support the requested ABI.
const pt_engine *pipeline_torch_engine(uint32_t abi);

// In the program: opens the library at `path` and requests its table. On failure returns NULL and writes a message.
const pt_engine *pipeline_torch_open(const char *path, char *problem, size_t capacity);

#ifdef __cplusplus
}
#endif
