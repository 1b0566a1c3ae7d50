// libxml2's headers draw in ICU's where it was built with ICU; Foundation brings another ICU, and in one module map
// the two do not agree. Nothing here uses those parts.
#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/xmlreader.h>
#include <libxml/parser.h>
#include <libxml/HTMLparser.h>
#include <libxml/xmlerror.h>
