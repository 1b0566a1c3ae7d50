// Loads the Parquet library at run time, so that everything else needs no Arrow.
#include "pipeline_parquet.h"

#include <dlfcn.h>
#include <stdio.h>

const pp_library *pipeline_parquet_open(const char *path, char *problem, size_t capacity) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(problem, capacity, "%s", dlerror());
    return NULL;
  }
  const pp_library *(*entry)(uint32_t) = (const pp_library *(*)(uint32_t))dlsym(library, "pipeline_parquet_library");
  if (!entry) {
    snprintf(problem, capacity, "it exports no pipeline_parquet_library");
    return NULL;
  }
  const pp_library *table = entry(PIPELINE_PARQUET_ABI);
  if (!table) snprintf(problem, capacity, "it was built for another version of pipeline");
  return table;
}
