// A C face for CLD2, the compact language detector.
#ifndef CCLD2_H
#define CCLD2_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  char code[8];    // ISO 639 code such as "ja", "un" for unknown
  int percent;     // share of the text's bytes, 0…100
  int reliable;    // CLD2's own judgement
} pl_language;

/// The most likely language of valid UTF-8 plain text.
pl_language pl_detect_language(const char *_Nonnull utf8, size_t length);

#ifdef __cplusplus
}
#endif
#endif
