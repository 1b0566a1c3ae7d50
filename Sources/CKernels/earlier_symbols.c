// glibc 2.35 has a second version of hypot, which differs in errno alone. A release is linked with --wrap=hypot, so that
// the program asks for the first one, and runs with earlier versions of glibc too (Scripts/release).
#include <features.h>

#if defined(__GLIBC__)
#if defined(__x86_64__)
#define FIRST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST "GLIBC_2.17"
#endif
#endif

#ifdef FIRST
double pl_first_hypot(double x, double y);
float pl_first_hypotf(float x, float y);
__asm__(".symver pl_first_hypot, hypot@" FIRST);
__asm__(".symver pl_first_hypotf, hypotf@" FIRST);

double __wrap_hypot(double x, double y);
double __wrap_hypot(double x, double y) { return pl_first_hypot(x, y); }

float __wrap_hypotf(float x, float y);
float __wrap_hypotf(float x, float y) { return pl_first_hypotf(x, y); }
#endif
