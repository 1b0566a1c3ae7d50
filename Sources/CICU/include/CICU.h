// A C face for the few ICU services in use: Unicode normalisation on UTF-8.
#ifndef CICU_H
#define CICU_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/// Normalises valid UTF-8 to NFKC. `sink` is called with runs of output in order.
/// Returns 0, or ICU's error code.
int pl_nfkc(const char *_Nonnull utf8, size_t length, void *_Nullable context,
            void (*_Nonnull sink)(void *_Nullable context, const char *_Nonnull bytes, size_t length));

/// 1 if the text is NFKC already, 0 if not, negative on error.
int pl_is_nfkc(const char *_Nonnull utf8, size_t length);

#ifdef __cplusplus
}
#endif
#endif
