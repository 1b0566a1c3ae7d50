#include "CICU.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>

namespace {
class CallbackSink : public icu::ByteSink {
 public:
  CallbackSink(void *context, void (*sink)(void *, const char *, size_t)) : context_(context), sink_(sink) {}
  void Append(const char *bytes, int32_t n) override {
    if (n > 0) sink_(context_, bytes, size_t(n));
  }

 private:
  void *context_;
  void (*sink_)(void *, const char *, size_t);
};
}  // namespace

extern "C" int pl_nfkc(const char *utf8, size_t length, void *context,
                       void (*sink)(void *, const char *, size_t)) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2 *nfkc = icu::Normalizer2::getNFKCInstance(status);
  if (U_FAILURE(status)) return status;
  CallbackSink out(context, sink);
  nfkc->normalizeUTF8(0, icu::StringPiece(utf8, int32_t(length)), out, nullptr, status);
  return U_FAILURE(status) ? status : 0;
}

extern "C" int pl_is_nfkc(const char *utf8, size_t length) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2 *nfkc = icu::Normalizer2::getNFKCInstance(status);
  if (U_FAILURE(status)) return -1;
  bool is = nfkc->isNormalizedUTF8(icu::StringPiece(utf8, int32_t(length)), status);
  return U_FAILURE(status) ? -1 : is;
}
