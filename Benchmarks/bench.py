"""The cases and the table; see Benchmarks/run."""

import argparse
import bz2
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

import corpus as made_up
import scorers
from measure import measure

HERE = os.path.dirname(os.path.abspath(__file__))
PIPELINE = os.path.join(HERE, "..", ".build", "release", "pipeline")
PEERS = os.path.join(HERE, "peers")


class Bench:
    def __init__(self, arguments, work):
        self.work = work
        self.dump = arguments.dump and os.path.abspath(arguments.dump)
        self.pages = arguments.pages and os.path.abspath(arguments.pages)
        self.language_model = arguments.language_model and os.path.abspath(arguments.language_model)
        self.corpus = os.path.abspath(arguments.corpus or os.path.join(work, f"corpus-{arguments.megabytes}"))
        if not arguments.corpus:
            print(f"making {arguments.megabytes} MB of text", file=sys.stderr)
            self.once(self.corpus, lambda path: made_up.make(path, arguments.megabytes))
        self.megabytes = self.text_megabytes()

    def text_megabytes(self):
        sys.path.append(PEERS)
        from documents import documents

        return sum(len(document["text"].encode()) for document in documents(self.corpus)) / 1e6

    def fresh(self, name):
        path = os.path.join(self.work, name)
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isfile(path):
            os.remove(path)
        return path

    def once(self, path, make):
        """Calls `make` with another path, unless there is what it made before: all of it, since it gets its name last."""
        if not os.path.exists(path):
            unfinished = self.fresh(f"unfinished-{os.path.basename(path)}")
            make(unfinished)
            os.rename(unfinished, path)
        return path

    def kept(self, name, make, of=None):
        """The path of what is made once of a folder, by default the corpus: another one's is another file."""
        folder = of or self.corpus
        files = sorted(glob.glob(f"{glob.escape(folder)}/**", recursive=True))
        names = "".join(f"{os.path.relpath(file, folder)} {os.path.getsize(file)}\n" for file in files if os.path.isfile(file))
        digest = hashlib.sha256(names.encode()).hexdigest()[:12]
        return self.once(os.path.join(self.work, f"{digest}-{name}"), make)

    def python(self, script, *arguments):
        return measure([sys.executable, os.path.join(PEERS, script), *arguments])

    def pipeline(self, stages, only=None, passes=False):
        """Runs a document's stages from nothing. With `only`, the others run first and are not measured."""
        store = self.fresh("store")
        document = os.path.join(self.work, "bench.json")
        with open(document, "w") as out:
            json.dump({"format": 1, "name": "bench", "passes": passes, "stages": stages}, out)
        run = [PIPELINE, "run", document, "--store", store]
        if only:
            for stage in stages:
                if stage != only:
                    measure([*run, "--until", stage])
        return measure(run)

    def read(self):
        return {"use": "documents.read", "options": {"files": self.corpus}}


def dedupe(bench):
    ours = {"read": bench.read(), "dedupe": {"use": "dedupe.minhash", "inputs": {"documents": "read"}}}
    return (
        "rensa", bench.megabytes,
        lambda: bench.python("dedupe_rensa.py", bench.corpus, bench.fresh("kept.zst")),
        lambda: bench.pipeline(ours))


def whole(passes):
    """From documents to tokens: cleaned, by language and quality, without copies and near-duplicates, split and tokenized."""

    def case(bench):
        model = scorers.language_model(bench)
        tokenizer = bench.kept(
            "tokenizers-bpe", lambda path: bench.python("subwords.py", "tokenizers", "train", "bpe", bench.corpus, path))
        ours = {"read": bench.read()}
        before = "read"
        for name, use, options in [
            ("clean", "text.clean", {}), ("language", "filter.language", {}), ("quality", "filter.quality", {}),
            ("exact", "dedupe.exact", {}), ("minhash", "dedupe.minhash", {}), ("split", "mix.split", {}),
        ]:
            ours[name] = {"use": use, "inputs": {"documents": before}, "options": options}
            before = name
        ours["tokenizer"] = {"use": "tokenizer.read", "options": {"folder": tokenizer}}
        ours["tokens"] = {"use": "tokenizer.encode", "inputs": {"documents": "split.train", "tokenizer": "tokenizer"}}
        workers = str(os.cpu_count())
        return (
            "datatrove", bench.megabytes,
            lambda: bench.python(
                "corpus_datatrove.py", bench.corpus, bench.fresh("corpus"), workers, model, tokenizer + "/tokenizer.json"),
            lambda: bench.pipeline(ours, passes=passes))

    return case


def training(bench):
    ours = {
        "read": bench.read(),
        "train": {
            "use": "tokenizer.train", "inputs": {"documents": "read"}, "options": {"vocabularySize": 32_768}}}
    return (
        "HF tokenizers", bench.megabytes,
        lambda: bench.python("tokenizer_hf.py", "train", bench.corpus, bench.fresh("hf.json")),
        lambda: bench.pipeline(ours, only="train"))


def encoding(bench):
    stages = {
        "read": bench.read(),
        "train": {"use": "tokenizer.train", "inputs": {"documents": "read"}, "options": {"vocabularySize": 32_768}},
        "encode": {"use": "tokenizer.encode", "inputs": {"documents": "read", "tokenizer": "train"}}}
    tokenizer = bench.kept("hf.json", lambda path: bench.python("tokenizer_hf.py", "train", bench.corpus, path))
    return (
        "HF tokenizers", bench.megabytes,
        lambda: bench.python("tokenizer_hf.py", "encode", bench.corpus, tokenizer),
        lambda: bench.pipeline(stages, only="encode"))


def subword_training(peer, model):
    """A vocabulary of 32,768 byte pairs or unigrams."""

    def case(bench):
        ours = {
            "read": bench.read(),
            "train": {
                "use": "tokenizer.train", "inputs": {"documents": "read"},
                "options": {"model": model, "vocabularySize": 32_768}}}
        return (
            peer, bench.megabytes,
            lambda: bench.python("subwords.py", peer, "train", model, bench.corpus, bench.fresh(f"{peer}-{model}")),
            lambda: bench.pipeline(ours, only="train"))

    return case


def subword_encoding(peer, model):
    """Token ids of the peer's tokenizer: of one tokenizer.json for HF's, of a model trained alike for SentencePiece's."""

    def case(bench):
        made = lambda name: bench.kept(
            f"{name}-{model}", lambda path: bench.python("subwords.py", name, "train", model, bench.corpus, path))
        theirs, ours = made(peer), made("tokenizers")
        stages = {
            "read": bench.read(), "tokenizer": {"use": "tokenizer.read", "options": {"folder": ours}},
            "encode": {"use": "tokenizer.encode", "inputs": {"documents": "read", "tokenizer": "tokenizer"}}}
        return (
            peer, bench.megabytes,
            lambda: bench.python("subwords.py", peer, "encode", model, bench.corpus, theirs),
            lambda: bench.pipeline(stages, only="encode"))

    return case


def mds(compression):
    def case(bench):
        ours = {
            "read": bench.read(),
            "write": {"use": "mds.write", "inputs": {"documents": "read"}, "options": {"compression": compression}}}
        return (
            "mosaicml-streaming", bench.megabytes,
            lambda: bench.python("mds_streaming.py", bench.corpus, bench.fresh("mds"), compression),
            lambda: bench.pipeline(ours, only="write"))

    return case


def parquet(peer, form):
    """Documents from and to Parquet, with the metadata as one column of JSON."""

    def case(bench):
        tables = bench.kept("tables", lambda path: bench.python("parquet_tables.py", "make", bench.corpus, path))
        read = {"read": {"use": "documents.read", "options": {"files": tables}}}
        write = {
            "read": bench.read(),
            "write": {"use": "parquet.write", "inputs": {"documents": "read"}, "options": {"metadata": "json", "fileBytes": "32MiB"}}}
        source = tables if form == "read" else bench.corpus
        return (
            peer, bench.megabytes,
            lambda: bench.python("parquet_tables.py", peer, form, source, bench.fresh("out")),
            lambda: bench.pipeline(read if form == "read" else write, only=form))

    return case


def xml_megabytes(path):
    with bz2.open(path) if path.endswith(".bz2") else open(path, "rb") as xml:
        return sum(len(block) for block in iter(lambda: xml.read(1 << 20), b"")) / 1e6


def wikipedia(bench):
    if not bench.dump:
        raise LookupError("needs --dump FILE, a MediaWiki XML dump")
    ours = {"wikipedia": {"use": "wikipedia.extract", "options": {"dump": bench.dump}}}
    peer = [
        sys.executable, "-m", "wikiextractor.WikiExtractor", bench.dump, "--json", "-q", "--processes",
        str(os.cpu_count())]
    return (
        "wikiextractor", xml_megabytes(bench.dump),
        lambda: measure([*peer, "-o", bench.fresh("wikipedia")]),
        lambda: bench.pipeline(ours))


def html(peer):
    """HTML pages in web archives, to their main text: real ones where a folder of them is given."""

    def case(bench):
        def make(path):
            from documents import documents

            import webpages

            pages = webpages.real(bench.pages) if bench.pages else webpages.made(documents(bench.corpus))
            os.makedirs(path)
            megabytes = webpages.make(f"{path}/archives", pages, 100)
            with open(f"{path}/megabytes", "w") as out:
                out.write(str(megabytes))

        kept = bench.kept("web", make, bench.pages)
        folder = f"{kept}/archives"
        with open(f"{kept}/megabytes") as said:
            megabytes = float(said.read())
        ours = {"web": {"use": "commoncrawl.extract", "options": {"files": folder, "languages": []}}}
        return (
            peer, megabytes,
            lambda: bench.python("html_peers.py", peer, folder, bench.fresh("texts")),
            lambda: bench.pipeline(ours))

    return case


def program(kind):
    """A filter in Python (on documents and on columns), in C and built in, against datatrove's executor with it in Python."""

    def case(bench):
        programs = os.path.join(HERE, "..", "Fixtures", "programs")
        compiled = os.path.join(bench.work, "quality")
        if kind == "c":
            subprocess.run(["cc", "-O2", "-o", compiled, os.path.join(programs, "quality.c")], check=True)
        scripts = {"python": "quality.py", "python-arrow": "quality.py", "columns": "quality_arrow.py"}
        script = scripts.get(kind, "")
        python = {"command": [sys.executable, script], "files": os.path.join(programs, script)}
        stage = {
            "python": ("command.documents", python),
            "python-arrow": ("command.documents", {**python, "frames": "arrow"}),
            "columns": ("command.documents", {**python, "frames": "arrow"}),
            "c": ("command.documents", {"command": ["./quality"], "files": compiled}),
            "builtin": (
                "filter.quality", {"preset": "none", "minimumCharacters": 400, "minimumHiraganaFraction": 0.15}),
        }[kind]
        ours = {
            "read": bench.read(),
            "quality": {"use": stage[0], "inputs": {"documents": "read"}, "options": stage[1]}}
        workers = str(os.cpu_count())
        return (
            "datatrove", bench.megabytes,
            lambda: bench.python("filter_datatrove.py", bench.corpus, bench.fresh("filtered"), workers),
            lambda: bench.pipeline(ours, only="quality"))

    return case


def redact(library):
    """Mail, telephone numbers and five more kinds, against the masking operator of another library."""

    def case(bench):
        ours = {"read": bench.read(), "redact": {"use": "redact.pii", "inputs": {"documents": "read"}}}
        return (
            library, bench.megabytes,
            lambda: bench.python("redact_peers.py", library, bench.corpus, bench.fresh("redacted"), str(os.cpu_count())),
            lambda: bench.pipeline(ours, only="redact"))

    return case


def listed_words(boundaries):
    """200 listed words as whole words, against HojiChar's filter."""

    def case(bench):
        words = os.path.join(bench.work, "words.txt")
        with open(words, "w") as out:
            for i in range(200):
                out.write("".join("アイウエオカキクケコ"[int(digit)] for digit in f"{i * 37 + 1000}") + "\n")
        ours = {
            "read": bench.read(),
            "words": {
                "use": "filter.toxicity", "inputs": {"documents": "read"},
                "options": {"wordLists": words, "boundaries": boundaries}}}
        return (
            "hojichar", bench.megabytes,
            lambda: bench.python(
                "redact_peers.py", "hojichar-words", bench.corpus, bench.fresh("civil"), str(os.cpu_count()), words),
            lambda: bench.pipeline(ours, only="words"))

    return case


def decontaminate(bench):
    """A question from every five hundredth document."""
    from documents import documents

    questions = os.path.join(bench.work, "questions.jsonl")
    with open(questions, "w") as out:
        for number, document in enumerate(documents(bench.corpus)):
            if number % 500 == 0 and len(document["text"]) > 200:
                out.write(json.dumps({"question": document["text"][100:180]}) + "\n")
    ours = {
        "read": bench.read(),
        "decontaminate": {
            "use": "decontaminate", "inputs": {"documents": "read"}, "options": {"sets": {"made": questions}}}}
    workers = str(os.cpu_count())
    return (
        "datatrove", bench.megabytes,
        lambda: bench.python("decontaminate_datatrove.py", bench.corpus, questions, bench.fresh("clean"), workers),
        lambda: bench.pipeline(ours, only="decontaminate"))


def layers_of_files(folder, count=2000):
    """Two layers of `count` finished jobs each, for ninja and snakemake."""
    os.makedirs(f"{folder}/out")
    with open(f"{folder}/build.ninja", "w") as ninja:
        ninja.write("rule touch\n  command = touch $out\n")
        for i in range(count):
            ninja.write(f"build out/{i}.a: touch\nbuild out/{i}.b: touch out/{i}.a\n")
    with open(f"{folder}/Snakefile", "w") as snakefile:
        snakefile.write(
            f'rule all:\n    input: expand("out/{{i}}.b", i=range({count}))\n'
            'rule first:\n    output: "out/{i}.a"\n    shell: "touch {output}"\n'
            'rule second:\n    input: "out/{i}.a"\n    output: "out/{i}.b"\n    shell: "touch {output}"\n')
    measure(["ninja"], cwd=folder)


def nothing_to_do(peer, command):
    """4,000 finished tasks: 2,000 lines read apart, then cleaned apart."""

    def case(bench):
        folder, store = os.path.join(bench.work, "layers"), os.path.join(bench.work, "tasks-store")
        bench.once(folder, layers_of_files)
        document = os.path.join(bench.work, "tasks.json")
        run = [PIPELINE, "run", document, "--store", store]
        text = os.path.join(bench.work, "lines.txt")
        with open(text, "wb") as out:
            for i in range(2000):
                out.write(f"{i:04d} 番目の文です。".encode().ljust(63) + b"\n")
        options = {"files": text, "document": "line", "rangeBytes": 64}
        stages = {
            "read": {"use": "text.read", "options": options},
            "clean": {"use": "text.clean", "inputs": {"documents": "read"}}}
        with open(document, "w") as out:
            json.dump({"format": 1, "name": "tasks", "stages": stages}, out)
        measure(run)
        return peer, None, lambda: measure(command, cwd=folder), lambda: measure(run)

    return case


CASES = {
    "corpus": whole(passes=False),
    "corpus-passes": whole(passes=True),
    "dedupe": dedupe,
    "training": training,
    "encoding": encoding,
    "bpe-training": subword_training("tokenizers", "bpe"),
    "bpe-training-sentencepiece": subword_training("sentencepiece", "bpe"),
    "unigram-training": subword_training("tokenizers", "unigram"),
    "unigram-training-sentencepiece": subword_training("sentencepiece", "unigram"),
    "bpe-encoding": subword_encoding("tokenizers", "bpe"),
    "bpe-encoding-sentencepiece": subword_encoding("sentencepiece", "bpe"),
    "unigram-encoding": subword_encoding("tokenizers", "unigram"),
    "unigram-encoding-sentencepiece": subword_encoding("sentencepiece", "unigram"),
    "mds-raw": mds("none"),
    "mds-zstd": mds("zstd:3"),
    "parquet-read": parquet("pyarrow", "read"),
    "parquet-read-2": parquet("datatrove", "read"),
    "parquet-write": parquet("pyarrow", "write"),
    "parquet-write-2": parquet("datatrove", "write"),
    "wikipedia": wikipedia,
    "html-resiliparse": html("resiliparse"),
    "html-trafilatura": html("trafilatura"),
    "program-python": program("python"),
    "program-arrow": program("python-arrow"),
    "program-columns": program("columns"),
    "program-c": program("c"),
    "program-builtin": program("builtin"),
    "redact-datatrove": redact("datatrove"),
    "redact-hojichar": redact("hojichar"),
    "redact-juicer": redact("data-juicer"),
    "words-script": listed_words("script"),
    "words-mecab": listed_words("mecab"),
    **scorers.CASES,
    "decontaminate": decontaminate,
    "no-op-ninja": nothing_to_do("ninja", ["ninja"]),
    "no-op-snakemake": nothing_to_do("snakemake", ["snakemake", "-n", "-q", "all"]),
}


def row(name, peer, megabytes, theirs, ours):
    """One line of the table; the ratio is that of the rates, where the peer had a part of the text."""

    def figures(m):
        size = m.megabytes or megabytes
        rate = f"{size / m.seconds:7.1f} MB/s" if size else " " * 12
        return f"{m.seconds:8.2f} s {rate} {m.peak_bytes / 1e6:6.0f} MB"

    ratio = theirs.seconds / ours.seconds
    note = ""
    if theirs.megabytes and theirs.megabytes < megabytes:
        ratio *= megabytes / theirs.megabytes
        note = f"   {peer}: {theirs.megabytes:.0f} MB"
    return f"{name:24} {peer:19}{figures(theirs)}   pipeline{figures(ours)}   {ratio:6.1f}×{note}"


def main():
    parser = argparse.ArgumentParser(prog="Benchmarks/run")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a case; scorers: those of scorers.py")
    parser.add_argument("--corpus", help="folder of Dolma documents (*.jsonl.zst)")
    parser.add_argument("--dump", help="MediaWiki XML dump")
    parser.add_argument("--pages", help="folder of real pages (*.html, also in folders) for the html cases")
    parser.add_argument("--language-model", metavar="FILE", help="fastText model of languages, such as lid.176.ftz")
    parser.add_argument("--megabytes", type=int, default=100, help="size of the made-up corpus")
    parser.add_argument("--work", help="folder for results; default a temporary one")
    parser.add_argument("--processor-time", action="store_true", help="seconds of all processors together, for a busy machine")
    parser.add_argument("--list", action="store_true", help="print the cases")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CASES))
        return
    arguments.cases = [
        name for given in arguments.cases for name in (scorers.SCORERS if given == "scorers" else [given])]
    unknown = [name for name in arguments.cases if name not in CASES]
    if unknown:
        parser.error(f"no case is named {unknown[0]}; there are {', '.join(CASES)}")
    if arguments.corpus and not glob.glob(f"{arguments.corpus}/*.jsonl.zst"):
        parser.error(f"{arguments.corpus} holds no *.jsonl.zst")
    work = arguments.work or tempfile.mkdtemp(prefix="pipeline-bench-")
    work = os.path.abspath(work)
    os.makedirs(work, exist_ok=True)
    try:
        bench = Bench(arguments, work)
        print(f"{bench.megabytes:.0f} MB of text, {os.cpu_count()} processors; seconds, rate, peak memory\n")
        for name in arguments.cases or CASES:
            try:
                peer, megabytes, theirs, ours = CASES[name](bench)
                # Peer, ours, peer again: the better of the peer's two runs counts.
                first, own, second = theirs(), ours(), theirs()
                if arguments.processor_time:
                    for measurement in first, own, second:
                        measurement.seconds = measurement.processor_seconds
                best = min(first, second, key=lambda m: m.seconds)
                print(row(name, peer, megabytes, best, own), flush=True)
            except (LookupError, RuntimeError) as problem:
                print(f"{name:24} left out: {problem}", flush=True)
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
