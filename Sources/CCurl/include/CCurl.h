#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

// curl_easy_setopt and curl_easy_getinfo are variadic, and Swift cannot call them: one function per type.

CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value);
CURLcode ccurl_set_offset(CURL *handle, CURLoption option, curl_off_t value);
CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value);
CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value);
CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value);

long ccurl_get_long(CURL *handle, CURLINFO what);
// "" if there is none; valid until the next use of the handle.
const char *ccurl_get_text(CURL *handle, CURLINFO what);

typedef struct {
  size_t (*header)(char *bytes, size_t size, size_t count, void *context);
  size_t (*write)(char *bytes, size_t size, size_t count, void *context);
  size_t (*read)(char *bytes, size_t size, size_t count, void *context);
  int (*seek)(void *context, curl_off_t offset, int origin);
  int (*progress)(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up);
  curl_socket_t (*socket)(void *context, curlsocktype purpose, struct curl_sockaddr *address);
} ccurl_callbacks;

// Sets all six, each with the same context.
CURLcode ccurl_set_callbacks(CURL *handle, ccurl_callbacks callbacks, void *context);

// The bytes of an address passed to the socket callback, 4 or 16 of them; 0 for another family.
size_t ccurl_address_bytes(const struct curl_sockaddr *address, unsigned char out[16]);

#endif
