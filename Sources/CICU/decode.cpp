#include "CICU.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>

namespace {
// Writes U+FFFD for invalid characters, and counts them.
void replaceAndCount(const void *context, UConverterToUnicodeArgs *args, const char *, int32_t,
                     UConverterCallbackReason reason, UErrorCode *status) {
  if (reason > UCNV_IRREGULAR) return;
  ++*static_cast<size_t *>(const_cast<void *>(context));
  *status = U_ZERO_ERROR;
  const UChar replacement = 0xFFFD;
  ucnv_cbToUWriteUChars(args, &replacement, 1, 0, status);
}
}  // namespace

extern "C" int pl_decode(const char *encoding, const char *bytes, size_t length, void *context,
                         void (*sink)(void *, const char *, size_t), size_t *replaced) {
  *replaced = 0;
  UErrorCode status = U_ZERO_ERROR;
  UConverter *from = ucnv_open(encoding, &status);
  if (!from || U_FAILURE(status)) return -1;
  UConverter *to = ucnv_open("UTF-8", &status);
  ucnv_setToUCallBack(from, replaceAndCount, replaced, nullptr, nullptr, &status);
  UChar pivot[2048];
  UChar *pivotSource = pivot, *pivotTarget = pivot;
  char out[8192];
  const char *at = bytes, *end = bytes + length;
  UBool reset = 1;
  while (U_SUCCESS(status)) {
    char *target = out;
    ucnv_convertEx(to, from, &target, out + sizeof out, &at, end, pivot, &pivotSource, &pivotTarget,
                   pivot + sizeof pivot / sizeof *pivot, reset, 1, &status);
    reset = 0;
    if (target > out) sink(context, out, size_t(target - out));
    if (status != U_BUFFER_OVERFLOW_ERROR) break;
    status = U_ZERO_ERROR;
  }
  ucnv_close(to);
  ucnv_close(from);
  return U_FAILURE(status) ? status : 0;
}
