#include "CCurl.h"

#include <netinet/in.h>
#include <string.h>

CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode ccurl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}

long ccurl_get_long(CURL *handle, CURLINFO what) {
  long value = 0;
  return curl_easy_getinfo(handle, what, &value) == CURLE_OK ? value : 0;
}

const char *ccurl_get_text(CURL *handle, CURLINFO what) {
  char *value = NULL;
  return curl_easy_getinfo(handle, what, &value) == CURLE_OK && value ? value : "";
}

#define SET(option, value) \
  do { \
    CURLcode code = curl_easy_setopt(handle, option, value); \
    if (code != CURLE_OK) return code; \
  } while (0)

CURLcode ccurl_set_callbacks(CURL *handle, ccurl_callbacks callbacks, void *context) {
  SET(CURLOPT_HEADERFUNCTION, callbacks.header);
  SET(CURLOPT_HEADERDATA, context);
  SET(CURLOPT_WRITEFUNCTION, callbacks.write);
  SET(CURLOPT_WRITEDATA, context);
  SET(CURLOPT_READFUNCTION, callbacks.read);
  SET(CURLOPT_READDATA, context);
  SET(CURLOPT_SEEKFUNCTION, callbacks.seek);
  SET(CURLOPT_SEEKDATA, context);
  SET(CURLOPT_XFERINFOFUNCTION, callbacks.progress);
  SET(CURLOPT_XFERINFODATA, context);
  SET(CURLOPT_NOPROGRESS, 0L);
  SET(CURLOPT_OPENSOCKETFUNCTION, callbacks.socket);
  SET(CURLOPT_OPENSOCKETDATA, context);
  return CURLE_OK;
}

size_t ccurl_address_bytes(const struct curl_sockaddr *address, unsigned char out[16]) {
  if (address->family == AF_INET) {
    memcpy(out, &((const struct sockaddr_in *)&address->addr)->sin_addr, 4);
    return 4;
  }
  if (address->family == AF_INET6) {
    memcpy(out, &((const struct sockaddr_in6 *)&address->addr)->sin6_addr, 16);
    return 16;
  }
  return 0;
}
