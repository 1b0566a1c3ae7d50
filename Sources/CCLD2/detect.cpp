#include "CCLD2.h"

#include <climits>
#include <cstdio>
#include <cstring>

#include <cld2/public/compact_lang_det.h>

extern "C" const char *pl_language_detector_version(void) { return CLD2::DetectLanguageVersion(); }

extern "C" pl_languages pl_detect_languages(const char *utf8, size_t length) {
  CLD2::Language languages[3] = {CLD2::UNKNOWN_LANGUAGE, CLD2::UNKNOWN_LANGUAGE, CLD2::UNKNOWN_LANGUAGE};
  int percents[3] = {0, 0, 0};
  int text_bytes = 0;
  bool reliable = false;
  int bytes = int(length < size_t(INT_MAX) ? length : size_t(INT_MAX));
  CLD2::DetectLanguageSummary(utf8, bytes, true, languages, percents, &text_bytes, &reliable);
  pl_languages out = {};
  for (int i = 0; i < 3; i++) {
    strncpy(out.code[i], CLD2::LanguageCode(languages[i]), sizeof out.code[i] - 1);
    out.percent[i] = percents[i];
  }
  out.bytes = text_bytes;
  out.reliable = reliable;
  return out;
}
