#define CURL_DISABLE_TYPECHECK
#include "CCurl.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The functions of libcurl that are called, and no others are linked: libcurl brings two dozen libraries, which took 4 ms
// of every start, whether or not anything was transferred.
#define FUNCTIONS(use) \
  use(easy_init) use(easy_cleanup) use(easy_perform) use(easy_reset) use(easy_strerror) use(easy_setopt) use(easy_getinfo) \
  use(global_init) use(getdate) use(free) use(slist_append) use(slist_free_all) \
  use(url) use(url_cleanup) use(url_get) use(url_set) use(url_strerror)

#define POINTER(name) __typeof__(curl_##name) *name;
typedef struct {
  FUNCTIONS(POINTER)
} functions;

#ifdef CCURL_LINKED
#define ADDRESS(name) .name = curl_##name,
static const functions linked = {FUNCTIONS(ADDRESS)};
static const functions *curl(void) { return &linked; }
#else
static functions loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// As the dynamic linker does with a library that is missing: a message, and 127.
static void fail(void) {
  fprintf(stderr, "error: libcurl cannot be loaded (%s). Install it: on Debian and Ubuntu, libcurl4.\n", dlerror());
  _exit(127);
}

static void *find(void *library, const char *name) {
  void *address = dlsym(library, name);
  if (!address) fail();
  return address;
}

static void load(void) {
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) fail();
#define FIND(name) loaded.name = (__typeof__(loaded.name))find(library, "curl_" #name);
  FUNCTIONS(FIND)
}

static const functions *curl(void) {
  pthread_once(&once, load);
  return &loaded;
}
#endif

CURL *ccurl_easy_init(void) { return curl()->easy_init(); }
void ccurl_easy_cleanup(CURL *handle) { curl()->easy_cleanup(handle); }
CURLcode ccurl_easy_perform(CURL *handle) { return curl()->easy_perform(handle); }
void ccurl_easy_reset(CURL *handle) { curl()->easy_reset(handle); }
const char *ccurl_easy_strerror(CURLcode code) { return curl()->easy_strerror(code); }
CURLcode ccurl_global_init(long flags) { return curl()->global_init(flags); }
time_t ccurl_getdate(const char *text) { return curl()->getdate(text, NULL); }
void ccurl_free(void *value) { curl()->free(value); }

struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text) {
  return curl()->slist_append(list, text);
}

void ccurl_slist_free_all(struct curl_slist *list) { curl()->slist_free_all(list); }

CURLU *ccurl_url(void) { return curl()->url(); }
void ccurl_url_cleanup(CURLU *handle) { curl()->url_cleanup(handle); }

CURLUcode ccurl_url_get(CURLU *handle, CURLUPart what, char **part, unsigned int flags) {
  return curl()->url_get(handle, what, part, flags);
}

CURLUcode ccurl_url_set(CURLU *handle, CURLUPart what, const char *part, unsigned int flags) {
  return curl()->url_set(handle, what, part, flags);
}

const char *ccurl_url_strerror(CURLUcode code) { return curl()->url_strerror(code); }

CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) {
  return curl()->easy_setopt(handle, option, value);
}

CURLcode ccurl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
  return curl()->easy_setopt(handle, option, value);
}

CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl()->easy_setopt(handle, option, value);
}

CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
  return curl()->easy_setopt(handle, option, value);
}

CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl()->easy_setopt(handle, option, value);
}

long ccurl_get_long(CURL *handle, CURLINFO what) {
  long value = 0;
  return curl()->easy_getinfo(handle, what, &value) == CURLE_OK ? value : 0;
}

const char *ccurl_get_text(CURL *handle, CURLINFO what) {
  char *value = NULL;
  return curl()->easy_getinfo(handle, what, &value) == CURLE_OK && value ? value : "";
}

#define SET(option, value) \
  do { \
    CURLcode code = curl()->easy_setopt(handle, option, value); \
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
