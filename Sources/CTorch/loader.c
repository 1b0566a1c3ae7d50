// Loads the engine at run time, so that data processing needs no torch.
#include "pipeline_torch.h"

#include <dlfcn.h>
#include <stdio.h>

const pt_engine *pipeline_torch_open(const char *path, char *problem, size_t capacity) {
  // RTLD_GLOBAL: libtorch's own libraries resolve one another's symbols through it.
  void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    snprintf(problem, capacity, "%s", dlerror());
    return NULL;
  }
  const pt_engine *(*engine)(uint32_t) = (const pt_engine *(*)(uint32_t))dlsym(library, "pipeline_torch_engine");
  if (!engine) {
    snprintf(problem, capacity, "it exports no pipeline_torch_engine");
    return NULL;
  }
  const pt_engine *table = engine(PIPELINE_TORCH_ABI);
  if (!table) snprintf(problem, capacity, "it was built for another version of pipeline");
  return table;
}
