"""Prints the named character references of the HTML standard, as Python carries them: [["&name;", "characters"], …]."""
import html.entities
import json
import sys

if len(sys.argv) > 1:
    print(json.dumps([["&" + name, html.entities.html5[name]] for name in sorted(html.entities.html5)]))
