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

`@record_batches` is for functions on columns: they get a `pyarrow.RecordBatch` and return a mask or columns.

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

__all__ = [
    "Document", "Drop", "Result", "batches", "documents", "metric", "record_batches", "datatrove", "hojichar", "datajuicer"
]


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
            self._metadata = _copy(self._original_metadata())
        return self._metadata

    @metadata.setter
    def metadata(self, value: Dict[str, Any]) -> None:
        self._metadata = value

    def _original_metadata(self) -> Dict[str, Any]:
        line = self._line or {}
        if isinstance(line.get("metadata"), str):
            line["metadata"] = _load(line["metadata"])
        return line.get("metadata") or {}

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


def record_batches(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same for a function that takes a `pyarrow.RecordBatch` with the columns `id`, `text`, `source`, `metadata` (as
    JSON), `added`, `created` and `version`. With `"frames": "arrow"` they come and go without being parsed.

    It may return:

    - None: all documents are kept;
    - a mask: truth values, as an array of pyarrow or numpy or a list; False drops with the function's name as the reason;
    - a dictionary or batch of columns, each with a value per document or one for all, of which null says nothing:
      `keep` as the mask; `drop`, the reason for dropping it, with `value`, `threshold` and `detail`; `text`; `metadata`,
      members to set, as JSON or dictionaries; `documents`, as JSON or lists of dictionaries; `error`. Of a document with
      several, the first of `error`, `drop` and `documents` counts.
    """
    _start(_Columns(function), function)
    return function


# What follows is the protocol; Documentation/guides/own-programs.md describes it.

Line = Union[bytes, memoryview]
Body = Union[bytes, bytearray]


class _Failure:
    def __init__(self, error: Exception) -> None:
        self.text = f"{type(error).__name__}: {error}"[:500]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(member) for member in value] if isinstance(value, list) else value


def _load(text: Union[str, Line]) -> Any:
    try:
        if orjson:
            return orjson.loads(text)
    except ValueError:
        pass  # Numbers of more than 64 bits, which orjson does not read.
    return json.loads(bytes(text) if isinstance(text, memoryview) else text)


def _read(members: Dict[str, Any]) -> Document:
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
        old = document._original_metadata()
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


Each = Callable[[Sequence[Document]], Iterable[Result]]
Cells = Dict[str, Any]


def _answers(each: Each, batch: Sequence[Document], name: str, written: Callable[[Dict[str, Any]], Any]) -> List[Any]:
    """The verdicts on a batch, in the form that `written` gives them."""
    ids = [document.id for document in batch]
    answers: List[Any] = []
    for place, result in enumerate(each(batch)):
        if place == len(batch):
            raise ValueError(f"{name} returned more results than the {len(batch)} documents")
        try:
            verdict = {"id": ids[place], **_verdict(batch[place], result, name)}
            if _metrics:
                verdict["metrics"] = dict(_metrics)
            answers.append(written(verdict))
        except Exception as error:  # noqa: BLE001 - a result that cannot be sent belongs to this document
            traceback.print_exc()
            answers.append(written({"id": ids[place], "error": _Failure(error).text}))
        _metrics.clear()
    if len(answers) < len(batch):
        raise ValueError(f"{name} returned {len(answers)} results for {len(batch)} documents")
    return answers


def _start(work: Union[Each, "_Columns"], function: Callable[..., Any]) -> None:
    if function.__module__ != "__main__":
        return
    name = re.sub(r"[^A-Za-z0-9._-]", "-", function.__name__).strip("._-") or "stage"
    frames = os.environ.get("PIPELINE_FRAMES")
    if frames is None:
        answer = _of_lines(work, name)
        for line in sys.stdin.buffer:
            if line.strip():
                sys.stdout.buffer.write(answer(line.rstrip(b"\n") + b"\n"))
        return
    _serve(work, name, *(int(number) for number in frames.split(",")))


def _serve(work: Union[Each, "_Columns"], name: str, reading: int, writing: int) -> None:
    for descriptor in (reading, writing):
        os.set_inheritable(descriptor, False)
    is_arrow = os.environ.get("PIPELINE_FORMAT") == "arrow"
    answer = _of_stream(work, name) if is_arrow else _of_lines(work, name)
    with os.fdopen(reading, "rb", buffering=1 << 20) as source, os.fdopen(writing, "wb", buffering=1 << 20) as target:
        target.write(b"ready%s %d 0 0\n" % (b"-arrow" if is_arrow else b"", _VERSION))
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
            payload = answer(body)
            target.write(b"verdicts %d %d %d\n" % (int(number), int(count), len(payload)))
            target.write(payload)
            target.flush()


# Frames of JSON lines.


def _lines(body: Body) -> List[memoryview]:
    """The lines of a frame, without a copy."""
    lines, begin, whole = [], 0, memoryview(body)
    while begin < len(body):
        end = body.index(b"\n", begin)
        lines.append(whole[begin:end])
        begin = end + 1
    return lines


def _of_lines(work: Union[Each, "_Columns"], name: str) -> Callable[[Body], bytes]:
    """Answers lines of documents with lines of verdicts."""
    if isinstance(work, _Columns):
        return work.of_lines(name)

    def answer(body: Body) -> bytes:
        batch = [_read(_load(line)) for line in _lines(body)]
        return b"".join([line + b"\n" for line in _answers(work, batch, name, _dump)])

    return answer


# Frames of Arrow.

# What a frame of documents has, and what a frame of verdicts may have.
_FIELDS = ("id", "text", "source", "metadata", "added", "created", "version")
_VERDICT = ("keep", "text", "metadata", "drop", "value", "threshold", "detail", "documents", "error", "metrics")
_NUMBERS = ("value", "threshold")
# Values of these are JSON.
_NESTED = ("metadata", "documents", "metrics")


def _pyarrow() -> Any:
    try:
        import pyarrow  # type: ignore[import-not-found]
        import pyarrow.compute  # noqa: F401
    except ImportError as problem:
        advice = f"run '{os.path.basename(sys.executable)} -m pip install pyarrow', or use JSON frames and @documents"
        raise SystemExit(f"Arrow needs pyarrow, which this Python does not have ({problem}): {advice}") from None
    return pyarrow


def _of_stream(work: Union[Each, "_Columns"], name: str) -> Callable[[Body], Any]:
    """Answers an Arrow stream of documents with one of verdicts."""
    pa = _pyarrow()

    def answer(body: Body) -> Any:
        batch = pa.ipc.open_stream(pa.py_buffer(body)).read_next_batch()
        if isinstance(work, _Columns):
            columns = work.columns(batch, name)
        else:
            members = zip(*(column.to_pylist() for column in batch.columns))
            read = [_read(dict(zip(batch.schema.names, values))) for values in members]
            columns = _transposed(pa, _answers(work, read, name, _cells))
            columns["id"] = batch.column("id")
        answered = pa.record_batch([columns.pop("id"), *columns.values()], ["id", *columns])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, answered.schema) as writer:
            writer.write_batch(answered)
        return memoryview(sink.getvalue())

    return answer


def _cells(verdict: Dict[str, Any]) -> Cells:
    """A verdict's members by column, as text and numbers."""
    cells: Cells = {}
    for name, value in verdict.items():
        if name == "drop":
            _dump(value)  # what JSON cannot hold is refused
            cells["drop"] = value["reason"].encode()
            cells.update((name, value[name]) for name in _NUMBERS if name in value)
            if "detail" in value:
                cells["detail"] = value["detail"].encode()
        elif name in _NESTED:
            cells[name] = _dump(value)
        elif name in ("text", "error"):
            cells[name] = value.encode()
    return cells


def _transposed(pa: Any, rows: Sequence[Cells]) -> Dict[str, Any]:
    names = [name for name in _VERDICT if any(name in cells for cells in rows)]
    return {
        name: pa.array(
            [cells.get(name) for cells in rows], pa.float64() if name in _NUMBERS else pa.large_string()
        )
        for name in names
    }


class _Columns:
    """A function on record batches."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def columns(self, batch: Any, name: str) -> Dict[str, Any]:
        """What the function returns for a batch, as columns of verdicts."""
        pa = _pyarrow()
        result = self.function(batch)
        if result is None:
            found: Dict[str, Any] = {}
        elif isinstance(result, dict):
            found = dict(result)
        elif isinstance(result, (pa.RecordBatch, pa.Table)):
            found = dict(zip(result.schema.names, result.columns))
        else:
            found = {"keep": result}
        ids = found.pop("id", batch.column("id"))
        for unknown in (column for column in found if column not in _VERDICT):
            raise ValueError(f"{name} returned an unknown column '{unknown}'; the columns are {', '.join(_VERDICT)}")
        columns = {column: _column(pa, value, batch.num_rows, column) for column, value in found.items()}
        _name_drops(pa, columns, name)
        # Ids that the function returns are sent as they are: the runner sees rows in another order.
        columns["id"] = _column(pa, ids, batch.num_rows, "id")
        if _metrics and batch.num_rows:
            columns["metrics"] = pa.array([_dump(dict(_metrics)), *[None] * (batch.num_rows - 1)], pa.large_string())
            _metrics.clear()
        return columns

    def of_lines(self, name: str) -> Callable[[Body], bytes]:
        """The same for lines of JSON."""
        pa = _pyarrow()

        def answer(body: Body) -> bytes:
            rows = [_load(line) for line in _lines(body)]
            for row in rows:
                if "metadata" in row:
                    row["metadata"] = _dump(row["metadata"])
            values = [pa.array([row.get(field) for row in rows], pa.large_string()) for field in _FIELDS]
            columns = self.columns(pa.record_batch(values, list(_FIELDS)), name)
            ids = columns.pop("id").to_pylist()
            cells = [dict(zip(columns, row)) for row in zip(*(column.to_pylist() for column in columns.values()))]
            return b"".join([_line(id, cells[i] if cells else {}) for i, id in enumerate(ids)])

        return answer


def _column(pa: Any, value: Any, count: int, name: str) -> Any:
    """A column that a function returned as an array; nested values as JSON."""
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    elif value is None or isinstance(value, (str, int, float, pa.Scalar)):
        value = pa.repeat(value, count) if value is not None else pa.nulls(count, pa.large_string())
    is_text = isinstance(value, pa.Array) and (pa.types.is_string(value.type) or pa.types.is_large_string(value.type))
    if name in _NESTED and not is_text:
        values = [value] * count if isinstance(value, dict) else value.to_pylist() if hasattr(value, "to_pylist") else value
        dumped = [each if each is None or isinstance(each, str) else _dump(each) for each in values]
        value = pa.array(dumped, pa.large_string())
    elif not isinstance(value, pa.Array):
        value = pa.array(value)
    if len(value) != count:
        raise ValueError(f"the column '{name}' has {len(value)} values for {count} documents")
    return value


def _name_drops(pa: Any, columns: Dict[str, Any], name: str) -> None:
    """Where `keep` is false without a reason, the function's name is the reason."""
    if "keep" not in columns:
        return
    mask = columns.pop("keep")
    if not pa.types.is_boolean(mask.type):
        raise ValueError(f"{name} returned no mask: its type is {mask.type}, not bool")
    drop = columns.get("drop", pa.nulls(len(mask), pa.large_string())).cast(pa.large_string())
    unnamed = pa.compute.and_(pa.compute.invert(pa.compute.fill_null(mask, True)), pa.compute.is_null(drop))
    columns["drop"] = pa.compute.if_else(unnamed, pa.scalar(name, pa.large_string()), drop)


def _line(id: str, cells: Cells) -> bytes:
    """Cells of a verdict as a line of JSON: the first of `error`, `drop` and `documents` counts, else the changes."""
    said = {name: value for name, value in cells.items() if value is not None}
    members: Dict[str, Any] = {"id": id}
    nested: List[str] = []
    if "error" in said:
        members["error"] = said["error"]
    elif "drop" in said:
        members["drop"] = {"reason": said["drop"], **{each: said[each] for each in (*_NUMBERS, "detail") if each in said}}
    elif "documents" in said:
        nested = ["documents"]
    elif "text" in said or "metadata" in said:
        members.update((name, said[name]) for name in ("text",) if name in said)
        nested = [name for name in ("metadata",) if name in said]
    else:
        members["keep"] = True
    # JSON stays as it is written, but on one line: within it, line ends stand between values only.
    raw = "".join(f',"{name}":{said[name]}' for name in (*nested, "metrics") if name in said)
    raw = raw.replace("\r", " ").replace("\n", " ")
    return _dump(members)[:-1] + raw.encode() + b"}\n"


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
