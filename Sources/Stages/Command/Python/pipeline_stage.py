"""Stages of pipeline in Python.

    from pipeline_stage import Drop, documents

    @documents
    def stage(document):
        if len(document.text) < 100:
            return Drop("too-short", len(document.text), 100)

`"use": "command.documents", "options": {"command": ["python3", "stage.py"], "files": ["stage.py"]}` runs it; by hand,
`python3 stage.py < documents.jsonl` prints its verdicts. The decorated function comes last in its file.

What a function may return for a document:

- None or True: keep the document, with the changes that the function made to its `text` and `metadata`;
- a text: the document's new text;
- a `Document`: the same, changed;
- a list of `Document`s: all of them in place of the one;
- a `Drop`: drop it, for this reason; False: drop it with the function's name as the reason.

An exception drops the document as `command-failed`, up to the stage's limit. Nothing that a function prints can disturb
the exchange with pipeline; it goes to the task's log.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

__all__ = ["Document", "Drop", "Result", "batches", "documents", "metric", "datatrove", "hojichar", "datajuicer"]


class Drop:
    """Drops a document: shown in `pipeline trace` and counted by reason. `value` was measured, `threshold` missed."""

    __slots__ = ("reason", "value", "threshold", "detail")

    def __init__(
        self, reason: str, value: Optional[float] = None, threshold: Optional[float] = None, detail: Optional[str] = None
    ) -> None:
        self.reason, self.value, self.threshold, self.detail = reason, value, threshold, detail

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Drop) and self.verdict == other.verdict

    def __repr__(self) -> str:
        return f"Drop({self.verdict})"

    @property
    def verdict(self) -> Dict[str, Any]:
        members = {"reason": self.reason, "value": self.value, "threshold": self.threshold, "detail": self.detail}
        return {name: value for name, value in members.items() if value is not None}


class Document:
    """A document: `id`, `text`, `source` and `metadata`, a dictionary that is read when it is first used."""

    __slots__ = ("id", "text", "source", "added", "created", "version", "_metadata", "_line")

    def __init__(
        self,
        id: str,
        text: str,
        source: str = "",
        metadata: Optional[Dict[str, Any]] = None,
        added: Optional[str] = None,
        created: Optional[str] = None,
        version: Optional[str] = None,
    ) -> None:
        self.id, self.text, self.source = id, text, source
        self.added, self.created, self.version = added, created, version
        self._metadata: Optional[Dict[str, Any]] = metadata if metadata is not None else {}
        self._line: Optional[Dict[str, Any]] = None

    @property
    def metadata(self) -> Dict[str, Any]:
        if self._metadata is None:
            # A copy: the original tells what was changed.
            self._metadata = _copy((self._line or {}).get("metadata") or {})
        return self._metadata

    @metadata.setter
    def metadata(self, value: Dict[str, Any]) -> None:
        self._metadata = value

    def __repr__(self) -> str:
        return f"Document(id={self.id!r}, text={self.text!r})"


Result = Union[None, bool, str, Drop, Document, Iterable[Document]]

_VERSION = 1
_metrics: Dict[str, float] = {}


def metric(name: str, value: float = 1) -> None:
    """Adds to a figure of the stage; figures of the same name are summed over all documents."""
    _metrics[name] = _metrics.get(name, 0) + value


def documents(function: Callable[[Document], Result]) -> Callable[[Document], Result]:
    """Makes a function the stage: it is called with each document. Runs it if its file is the program."""
    function_of_one = function

    def each(batch: Sequence[Document]) -> Iterator[Result]:
        for document in batch:
            try:
                yield function_of_one(document)
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this document
                traceback.print_exc()
                yield _Failure(error)

    _start(each, function)
    return function


def batches(function: Callable[[List[Document]], Iterable[Result]]) -> Callable[[List[Document]], Iterable[Result]]:
    """The same for a function that takes a list of documents, such as a model, and returns a result for each."""

    def all_of(batch: Sequence[Document]) -> Iterable[Result]:
        return function(list(batch))

    _start(all_of, function)
    return function


# What follows is the protocol; Documentation/guides/own-programs.md describes it.

Line = Union[bytes, memoryview]


class _Failure:
    def __init__(self, error: Exception) -> None:
        self.text = f"{type(error).__name__}: {error}"[:500]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(member) for member in value] if isinstance(value, list) else value


def _read(line: Line) -> Document:
    try:
        members = orjson.loads(line) if orjson else json.loads(bytes(line))
    except ValueError:
        # Numbers of more than 64 bits, which orjson does not read.
        members = json.loads(bytes(line))
    document = Document.__new__(Document)
    document.id, document.text, document.source = members["id"], members["text"], members.get("source", "")
    document.added, document.created = members.get("added"), members.get("created")
    document.version = members.get("version")
    document._metadata, document._line = None, members
    return document


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy and torch as Python's."""
    for name in ("tolist", "item"):
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()


def _whole(document: Document, parent: Document) -> Dict[str, Any]:
    members: Dict[str, Any] = {"text": document.text, "source": document.source, "metadata": document.metadata}
    # Documents without an id of their own are numbered by the runner.
    if document.id and document.id != parent.id:
        members["id"] = document.id
    for name in ("added", "created", "version"):
        if getattr(document, name) is not None:
            members[name] = getattr(document, name)
    return members


def _differ(old: Any, new: Any) -> bool:
    return old is not new and _dump(old) != _dump(new)


def _changes(document: Document) -> Dict[str, Any]:
    """What differs from the document as it was read."""
    before = document._line or {}
    members: Dict[str, Any] = {}
    if document.text != before.get("text"):
        members["text"] = document.text
    if document._metadata is not None:
        old = before.get("metadata") or {}
        if any(key not in document._metadata for key in old):
            return {"documents": [_whole(document, document)]}
        new = {key: value for key, value in document._metadata.items() if key not in old or _differ(old[key], value)}
        if new:
            members["metadata"] = new
    for name in ("source", "added", "created", "version"):
        if getattr(document, name) != before.get(name, "" if name == "source" else None):
            return {"documents": [_whole(document, document)]}
    return members or {"keep": True}


def _decided(result: Any) -> Any:
    """A truth value of numpy or torch as Python's; any other result as it is."""
    if getattr(result, "ndim", None) == 0 and hasattr(result, "item"):
        value = result.item()
        return value if isinstance(value, bool) else result
    return result


def _parts(result: Any, name: str) -> List[Document]:
    if isinstance(result, (bytes, dict)) or getattr(result, "ndim", None) == 0 or not isinstance(result, Iterable):
        raise TypeError(f"{name} returned a {type(result).__name__}; return None, a bool, str, Drop, Document or list")
    parts = list(result)
    if not parts:
        raise ValueError(f"{name} returned an empty list; return a Drop with a reason")
    for part in parts:
        if not isinstance(part, Document):
            raise TypeError(f"{name} returned a list with a {type(part).__name__}; it may have Documents alone")
    return parts


def _verdict(document: Document, result: Any, name: str) -> Dict[str, Any]:
    result = _decided(result)
    if isinstance(result, Drop):
        return {"drop": result.verdict}
    if isinstance(result, _Failure):
        return {"error": result.text}
    if result is False:
        return {"drop": {"reason": name}}
    if isinstance(result, str):
        document.text = result
    elif isinstance(result, Document):
        if result is not document:
            return {"documents": [_whole(result, document)]}
    elif result is not None and result is not True:
        return {"documents": [_whole(part, document) for part in _parts(result, name)]}
    return _changes(document)


def _answer(each: Callable[[Sequence[Document]], Iterable[Result]], lines: "Sequence[Line]", name: str) -> List[bytes]:
    batch = [_read(line) for line in lines]
    ids = [document.id for document in batch]
    answers: List[bytes] = []
    for place, result in enumerate(each(batch)):
        if place == len(batch):
            raise ValueError(f"{name} returned more results than the {len(batch)} documents")
        try:
            verdict = {"id": ids[place], **_verdict(batch[place], result, name)}
            if _metrics:
                verdict["metrics"] = dict(_metrics)
            answers.append(_dump(verdict))
        except Exception as error:  # noqa: BLE001 - a result that cannot be sent belongs to this document
            traceback.print_exc()
            answers.append(_dump({"id": ids[place], "error": _Failure(error).text}))
        _metrics.clear()
    if len(answers) < len(batch):
        raise ValueError(f"{name} returned {len(answers)} results for {len(batch)} documents")
    return answers


def _start(each: Callable[[Sequence[Document]], Iterable[Result]], function: Callable[..., Any]) -> None:
    if function.__module__ != "__main__":
        return
    name = re.sub(r"[^A-Za-z0-9._-]", "-", function.__name__).strip("._-") or "stage"
    frames = os.environ.get("PIPELINE_FRAMES")
    if frames is None:
        for line in sys.stdin.buffer:
            if line.strip():
                sys.stdout.buffer.write(_answer(each, [line], name)[0] + b"\n")
        return
    _serve(each, name, *(int(number) for number in frames.split(",")))


def _lines(body: bytearray) -> List[memoryview]:
    """The lines of a frame, without a copy."""
    lines, begin, whole = [], 0, memoryview(body)
    while begin < len(body):
        end = body.index(b"\n", begin)
        lines.append(whole[begin:end])
        begin = end + 1
    return lines


def _serve(each: Callable[[Sequence[Document]], Iterable[Result]], name: str, reading: int, writing: int) -> None:
    for descriptor in (reading, writing):
        os.set_inheritable(descriptor, False)
    with os.fdopen(reading, "rb", buffering=1 << 20) as source, os.fdopen(writing, "wb", buffering=1 << 20) as target:
        target.write(b"ready %d 0 0\n" % _VERSION)
        target.flush()
        while True:
            header = source.readline()
            if not header:
                return
            kind, number, count, size = header.split()
            if kind != b"documents":
                raise ValueError(f"pipeline sent a frame of an unknown kind: {header!r}")
            body = bytearray(int(size))
            if source.readinto(body) < len(body):
                return
            answers = _answer(each, _lines(body), name)
            payload = b"\n".join(answers) + b"\n"
            target.write(b"verdicts %d %d %d\n" % (int(number), int(count), len(payload)))
            target.write(payload)
            target.flush()


# Operators of other libraries, by name. `python3 -m pipeline_stage LIBRARY NAME [OPTIONS] [NAME [OPTIONS] …]` runs a chain
# of them as a program; OPTIONS are a JSON object, the arguments of the operator's class.

Operator = Callable[[Document], Result]


def _found(library: str, name: str, modules: Iterable[str]) -> Any:
    known: List[str] = []
    for module in map(importlib.import_module, modules):
        if hasattr(module, name):
            return getattr(module, name)
        known += [each for each in dir(module) if each[:1].isupper()]
    raise SystemExit(f"{library} has no operator {name}; it has {', '.join(sorted(set(known)))}")


def _named(reason: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", reason).strip("._-")[:64] or "rejected"


def datatrove(name: str, **options: Any) -> Operator:
    """A filter, extractor or formatter of datatrove, by the name of its class: `datatrove("GopherQualityFilter")`."""
    from datatrove.data import Document as Theirs  # type: ignore[import-not-found]

    families = ("datatrove.pipeline.filters", "datatrove.pipeline.extractors", "datatrove.pipeline.formatters")
    step = _found("datatrove", name, families)(**options)

    def filtered(document: Document) -> Result:
        theirs = Theirs(text=document.text, id=document.id, metadata=document.metadata)
        result = step.filter_batch([theirs])[0]
        kept, reason = result if isinstance(result, tuple) else (result, None)
        if not kept:
            return Drop(_named(reason or name))
        document.text, document.metadata = theirs.text, theirs.metadata
        return None

    def extracted(document: Document) -> Result:
        try:
            text = step.extract(document.text)
        except Exception as error:  # noqa: BLE001 - datatrove drops such documents, too
            return Drop("clean-error", detail=f"{type(error).__name__}: {error}"[:500])
        return text if text else Drop("nothing-extracted")

    if hasattr(step, "filter"):
        return filtered
    return extracted if hasattr(step, "extract") else lambda document: step.format(document.text)


def hojichar(name: str, **options: Any) -> Operator:
    """A filter of HojiChar, by the name of its class: `hojichar("DocumentLengthFilter", min_doc_len=200)`."""
    from hojichar import Compose  # type: ignore[import-not-found]
    from hojichar import Document as Theirs

    families = ("document_filters", "token_filters", "tokenization", "language_identification")
    found = _found("HojiChar", name, [f"hojichar.filters.{family}" for family in families])
    # The same seed in every process, for filters that are applied with a probability.
    step = Compose([found(**options)], random_state=0)

    def applied(document: Document) -> Result:
        theirs = step.apply(Theirs(document.text, extras=dict(document.metadata)))
        if theirs.is_rejected:
            reason = {key: value for key, value in theirs.reject_reason.items() if key != "name"}
            return Drop(_named(name), detail=json.dumps(reason, ensure_ascii=False, default=str)[:500])
        document.text, document.metadata = theirs.text, dict(theirs.extras)
        return None

    return applied


def datajuicer(name: str, **options: Any) -> Operator:
    """A filter or mapper of Data-Juicer, by its name: `datajuicer("alphanumeric_filter", min_ratio=0.3)`."""
    from data_juicer.ops import OPERATORS, Filter, Mapper  # type: ignore[import-not-found]
    from data_juicer.utils.constant import Fields  # type: ignore[import-not-found]

    if name not in OPERATORS.modules:
        raise SystemExit(f"Data-Juicer has no operator {name}; it has {', '.join(sorted(OPERATORS.modules))}")
    step = OPERATORS.modules[name](**options)

    def samples(document: Document) -> Dict[str, List[Any]]:
        return {step.text_key: [document.text], Fields.stats: [{}], Fields.meta: [dict(document.metadata)]}

    def filtered(document: Document) -> Result:
        measured = step.compute_stats(samples(document))
        if list(step.process(measured))[0]:
            return None
        stats = measured[Fields.stats][0]
        values = [value for value in stats.values() if isinstance(value, (int, float))]
        detail = json.dumps(stats, ensure_ascii=False, default=str)[:500]
        return Drop(_named(name), value=values[0] if len(values) == 1 else None, detail=detail)

    def mapped(document: Document) -> Result:
        texts = step.process(samples(document))[step.text_key]
        if len(texts) == 1:
            return str(texts[0])
        parts = [Document("", text, document.source, document.metadata) for text in texts]
        return parts if parts else Drop(_named(name))

    if isinstance(step, Filter):
        return filtered
    if isinstance(step, Mapper):
        return mapped
    raise SystemExit(f"{name} works on a whole data set, not on documents; use a filter or a mapper")


def chain(operators: Sequence[Operator]) -> Operator:
    """One after another, until one drops the document. None but the last may make several documents of one."""

    def chained(document: Document) -> Result:
        current = document
        for place, operator in enumerate(operators, 1):
            result = _decided(operator(current))
            if isinstance(result, Drop) or result is False:
                return result
            if isinstance(result, str):
                current.text = result
            elif result is not None and result is not True and result is not current:
                name = f"operator {place} of the chain, {getattr(operator, '__name__', 'a callable')},"
                parts = [result] if isinstance(result, Document) else _parts(result, name)
                if place == len(operators):
                    return parts
                if len(parts) > 1:
                    raise ValueError(f"{name} made {len(parts)} documents of one; only the last operator may")
                current = parts[0]
        return current

    return chained


def _chain_of(words: Sequence[str]) -> Tuple[str, Operator]:
    libraries = {"datatrove": datatrove, "hojichar": hojichar, "datajuicer": datajuicer}
    if len(words) < 2 or words[0] not in libraries:
        raise SystemExit(f"usage: python3 -m pipeline_stage {{{','.join(libraries)}}} NAME [OPTIONS] [NAME [OPTIONS] …]")
    steps: List[Tuple[str, Dict[str, Any]]] = []
    for word in words[1:]:
        if word.startswith("{") and steps:
            steps[-1] = (steps[-1][0], json.loads(word))
        else:
            steps.append((word, {}))
    operators = [libraries[words[0]](name, **options) for name, options in steps]
    for operator, (name, _) in zip(operators, steps):
        operator.__name__ = name
    return steps[-1][0], chain(operators)


if __name__ == "__main__":
    _name, _operator = _chain_of(sys.argv[1:])
    _operator.__module__, _operator.__name__ = "__main__", _name
    documents(_operator)
