// A C interface to CLD2, the compact language detector.
#ifndef CCLD2_H
#define CCLD2_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  char code[3][16];  // ISO 639 codes such as "ja" or "zh-Hant", most frequent first; "un" for unknown
  int percent[3];    // percentage of the text's letters in bytes, 0…100
  int bytes;         // of letters, as CLD2 saw them
  int reliable;      // CLD2's own judgment
} pl_languages;

/// The version of CLD2 and of its tables.
const char *_Nonnull pl_language_detector_version(void);

/// The languages of valid UTF-8 plain text; reads at most the first 2 GiB − 1. Thread-safe: CLD2's tables are constant,
/// and its working memory is local to the call.
pl_languages pl_detect_languages(const char *_Nonnull utf8, size_t length);

#ifdef __cplusplus
}
#endif
#endif
