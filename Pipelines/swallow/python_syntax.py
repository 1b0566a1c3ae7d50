"""Drops Python programs that this Python does not compile: the first step of SwallowCode."""

import warnings

from pipeline_stage import Drop, documents

# Of the programs, such as an invalid escape: they are no errors.
warnings.simplefilter("ignore")


@documents
def syntax(document):
    try:
        compile(document.text, "program", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return Drop("syntax-error", detail=f"line {line}: {error.msg}" if line else str(error))
    except (RecursionError, MemoryError):
        return Drop("syntax-error", detail="it is nested too deeply")
