"""Runs operators of datatrove, HojiChar and Data-Juicer as their own libraries do, and prints their verdicts.

usage: operators.py LIBRARY OPERATORS DOCUMENTS    OPERATORS is a JSON list of [name, options]; a line of JSON per document
and operator: {"operator", "id", "text" or "reason"}. Without arguments it only imports the libraries.
"""
import copy
import json
import os
import sys

# These libraries want other versions of packages than the other peers do; see requirements-operators.txt.
sys.path.insert(0, os.path.join(sys.prefix, "operators"))

import data_juicer.ops  # noqa: E402
import datatrove.pipeline.filters  # noqa: E402
import datatrove.pipeline.formatters  # noqa: E402
import hojichar  # noqa: E402


def of_datatrove(name, options, documents):
    from datatrove.data import Document

    family = datatrove.pipeline.filters if hasattr(datatrove.pipeline.filters, name) else datatrove.pipeline.formatters
    step = getattr(family, name)(**options)
    dropped = {}

    class Recorder:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, document, rank):
            dropped[document.id] = document.metadata.get("filter_reason", name)

    step.exclusion_writer = Recorder()
    theirs = [Document(text=d["text"], id=d["id"], metadata=d.get("metadata", {})) for d in documents]
    kept = {document.id: document.text for document in step.run(iter(theirs))}
    return kept, dropped


def of_hojichar(name, options, documents):
    step = hojichar.Compose([getattr(hojichar.document_filters, name)(**options)])
    kept, dropped = {}, {}
    for d in documents:
        document = step.apply(hojichar.Document(d["text"]))
        if document.is_rejected:
            dropped[d["id"]] = name
        else:
            kept[d["id"]] = document.text
    return kept, dropped


def of_datajuicer(name, options, documents):
    from data_juicer.core.data import NestedDataset
    from data_juicer.ops import OPERATORS, Filter
    from data_juicer.utils.constant import Fields

    step = OPERATORS.modules[name](**options)
    rows = [{"id": d["id"], "text": d["text"], Fields.stats: {}} for d in documents]
    if isinstance(step, Filter):
        rows = [{**row, Fields.stats: {"": 0.0}} for row in rows]
    result = step.run(NestedDataset.from_list(rows))
    kept = {row["id"]: row["text"] for row in result}
    return kept, {d["id"]: name for d in documents if d["id"] not in kept}


if len(sys.argv) > 1:
    library, operators, path = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    with open(path, encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines]
    run = {"datatrove": of_datatrove, "hojichar": of_hojichar, "datajuicer": of_datajuicer}[library]
    out = sys.stdout
    sys.stdout = sys.stderr
    for name, options in operators:
        kept, dropped = run(name, options, copy.deepcopy(documents))
        for d in documents:
            verdict = {"text": kept[d["id"]]} if d["id"] in kept else {"reason": dropped[d["id"]]}
            out.write(json.dumps({"operator": name, "id": d["id"], **verdict}, ensure_ascii=False) + "\n")
