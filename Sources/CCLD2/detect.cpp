#include "CCLD2.h"

#include <cstdio>

#include <cld2/public/compact_lang_det.h>

#include <cstring>

extern "C" pl_language pl_detect_language(const char *utf8, size_t length) {
  CLD2::Language languages[3];
  int percents[3];
  int text_bytes = 0;
  bool reliable = false;
  CLD2::DetectLanguageSummary(utf8, int(length), true, languages, percents, &text_bytes, &reliable);
  pl_language out = {};
  strncpy(out.code, CLD2::LanguageCode(languages[0]), sizeof out.code - 1);
  out.percent = percents[0];
  out.reliable = reliable;
  return out;
}
