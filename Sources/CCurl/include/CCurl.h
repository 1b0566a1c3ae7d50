#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

// libcurl is loaded by the first call of one of these, unless the program was linked to it (CCURL_LINKED). Without it, the
// program ends with a message. Each is curl_NAME.

CURL *ccurl_easy_init(void);
void ccurl_easy_cleanup(CURL *handle);
CURLcode ccurl_easy_perform(CURL *handle);
void ccurl_easy_reset(CURL *handle);
const char *ccurl_easy_strerror(CURLcode code);
CURLcode ccurl_global_init(long flags);
time_t ccurl_getdate(const char *text);
void ccurl_free(void *value);
struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text);
void ccurl_slist_free_all(struct curl_slist *list);
CURLU *ccurl_url(void);
void ccurl_url_cleanup(CURLU *handle);
CURLUcode ccurl_url_get(CURLU *handle, CURLUPart what, char **part, unsigned int flags);
CURLUcode ccurl_url_set(CURLU *handle, CURLUPart what, const char *part, unsigned int flags);
const char *ccurl_url_strerror(CURLUcode code);

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
