// A C interface to the one ICU service used: decoding of other encodings.
#ifndef CICU_H
#define CICU_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/// Decodes text in an encoding that ICU knows by name to UTF-8. `sink` is called with runs of output in order; invalid
/// characters become U+FFFD and are counted in `replaced`. Returns 0, a negative number if ICU does not know the
/// encoding, or ICU's error code.
int pl_decode(const char *_Nonnull encoding, const char *_Nonnull bytes, size_t length, void *_Nullable context,
              void (*_Nonnull sink)(void *_Nullable context, const char *_Nonnull bytes, size_t length),
              size_t *_Nonnull replaced);

#ifdef __cplusplus
}
#endif
#endif
