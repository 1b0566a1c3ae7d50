// Connections to the key-value store of a group: how its processes know of one another besides the sums.
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "boundary.h"

struct pt_store {
  c10::intrusive_ptr<c10d::TCPStore> value;
};

namespace pipeline {

static int store_open(const char *host, int32_t port, double timeout_seconds, pt_store **out) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.isServer = false;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
    *out = new pt_store{c10::make_intrusive<c10d::TCPStore>(host, options)};
  });
}

static int store_get(pt_store *store, const char *key, void *bytes, size_t capacity, size_t *count) {
  return guarded([&] {
    *count = 0;
    if (!store->value->check({key})) return;
    auto value = store->value->get(key);
    *count = std::min(capacity, value.size());
    std::memcpy(bytes, value.data(), *count);
  });
}

void add_store_functions(pt_engine &engine) {
  engine.store_open = store_open;
  engine.store_add = [](pt_store *store, const char *key, int64_t amount, int64_t *out) {
    return guarded([&] { *out = store->value->add(key, amount); });
  };
  engine.store_set = [](pt_store *store, const char *key, const void *bytes, size_t count) {
    return guarded([&] {
      auto first = static_cast<const uint8_t *>(bytes);
      store->value->set(key, std::vector<uint8_t>(first, first + count));
    });
  };
  engine.store_get = store_get;
  engine.store_close = [](pt_store *store) { delete store; };
}

}  // namespace pipeline
