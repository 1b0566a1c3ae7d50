// libxml2's headers include ICU's if it was built with ICU; Foundation brings another ICU, and the two conflict in one
// module map. Nothing here uses those parts.
#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/xmlreader.h>
#include <libxml/parser.h>
#include <libxml/HTMLparser.h>
#include <libxml/xmlerror.h>
