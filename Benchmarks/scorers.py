"""The cases of score.quality, score.classifier, score.fasttext, score.perplexity, filter.url and filter.language.

`Benchmarks/run scorers` runs them, and those of filter.quality, filter.toxicity and redact.pii. score.encoder, which needs a
GPU, has none.

Peers that take minutes are measured on a part of the corpus; their row says how much. Rates are compared, not times. Scoring
stages write columns beside the documents, peers lines of JSON with the measures alone; filters on both sides write documents.
"""

import io
import os
import sys

from measure import measure

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")


def part(bench, megabytes):
    """A folder with a part of the corpus in two files per processor, and its size."""
    import orjson
    import zstandard
    from documents import documents

    if bench.megabytes <= megabytes:
        return bench.corpus, bench.megabytes
    every = max(1, int(bench.megabytes / megabytes))
    chosen = [document for place, document in enumerate(documents(bench.corpus)) if place % every == 0]

    def make(folder):
        os.makedirs(folder)
        files = 2 * (os.cpu_count() or 1)
        for number in range(files):
            with open(f"{folder}/{number:05d}.jsonl.zst", "wb") as raw:
                with io.BufferedWriter(zstandard.ZstdCompressor(3).stream_writer(raw)) as out:
                    for document in chosen[number::files]:
                        out.write(orjson.dumps(document) + b"\n")

    return bench.kept(f"part-{megabytes}", make), sum(len(document["text"].encode()) for document in chosen) / 1e6


def two_corpora(bench):
    """800 beginnings of documents with much hiragana, and 800 with little, to train classifiers from."""
    import orjson
    import zstandard
    from documents import documents

    def make(path):
        beginnings = []
        for document in documents(bench.corpus):
            text = document["text"][:2000]
            share = sum("ぁ" <= character <= "ん" for character in text) / max(1, len(text))
            beginnings.append((share, document["id"], text))
        beginnings.sort()
        for name, chosen in (("positive", beginnings[-800:]), ("negative", beginnings[:800])):
            folder = f"{path}/{name}"
            os.makedirs(folder)
            lines = b"".join(
                orjson.dumps({"id": id, "text": text, "source": "made", "metadata": {}}) + b"\n" for _, id, text in chosen)
            with open(f"{folder}/00000.jsonl.zst", "wb") as out:
                out.write(zstandard.ZstdCompressor(3).compress(lines))

    folder = bench.kept("two-corpora", make)
    return [f"{folder}/positive", f"{folder}/negative"]


def scored(library, operator, stage, megabytes=None, model=None, wired=None, name="score"):
    """A scoring stage beside an operator of another library.

    Parameters: `megabytes` of the corpus for the peer; `model` makes the peer's model; `wired` gives the stage's options and
    the stages and inputs that it needs.
    """

    def case(bench):
        options, inputs, before = wired(bench) if wired else ({}, {}, {})
        path = [model(bench)] if model else []
        folder, size = part(bench, megabytes) if megabytes else (bench.corpus, bench.megabytes)
        ours = {
            "read": bench.read(), **before,
            name: {"use": stage, "inputs": {"documents": "read", **inputs}, "options": options}}
        script = "score_peers.py" if operator else "fasttext_program.py"

        def theirs():
            found = bench.python(
                script, operator or "predict", folder, bench.fresh("measures"), str(os.cpu_count()), *path)
            found.megabytes = size
            return found

        return library, bench.megabytes, theirs, lambda: bench.pipeline(ours, only=name)

    return case


def made(bench, name, script, *arguments):
    """A model that a script writes once."""
    return bench.kept(name, lambda path: measure([sys.executable, os.path.join(PEERS, script), *arguments, path]))


def sklearn_model(bench):
    return made(bench, "sklearn.pickle", "score_peers.py", "train-sklearn", *two_corpora(bench))


def own_classifier(bench):
    """Of the n-grams that `train-sklearn` takes, and nothing else."""
    options = {"shortest": 1, "longest": 4, "edge": 0, "bits": 20, "minimumDocuments": 1, "traits": False}
    before = {"classifier": {"use": "classifier.train", "inputs": {}, "options": options}}
    for name, folder in zip(("positive", "negative"), two_corpora(bench)):
        before[name] = {"use": "documents.read", "options": {"files": folder}}
        before["classifier"]["inputs"][name] = name
    return {}, {"classifier": "classifier"}, before


def word_model(bench):
    return made(bench, "words.bin", "fasttext_program.py", "train", *two_corpora(bench))


def language_model(bench):
    if not bench.language_model:
        raise LookupError("needs --language-model FILE, such as lid.176.ftz")
    return bench.language_model


def character_model(bench):
    folder, _ = part(bench, 8)
    script = os.path.join(PEERS, "character_model.py")
    return bench.kept("characters.arpa", lambda path: measure([sys.executable, script, folder, path, "4", "8"]))


def pages(bench):
    """The corpus with a made web address for each document."""
    import orjson
    import zstandard
    from documents import documents

    def make(folder):
        os.makedirs(folder)
        files = 2 * (os.cpu_count() or 1)
        outs = [zstandard.ZstdCompressor(3).stream_writer(open(f"{folder}/{n:05d}.jsonl.zst", "wb")) for n in range(files)]
        for number, document in enumerate(documents(bench.corpus)):
            host = f"{'abcdefghij'[number % 10]}{number * 7919 % 100_003}.example.{('co.jp', 'com', 'ne.jp')[number % 3]}"
            document["metadata"] = {"url": f"https://www.{host}/articles/{number % 28}/page-{number}.html?id={number}"}
            outs[number % files].write(orjson.dumps(document) + b"\n")
        for out in outs:
            out.close()

    return bench.kept("pages", make)


def addresses(bench):
    """filter.url beside datatrove's URLFilter, both with its lists: 4.6 million domains, addresses and words."""
    import orjson

    lists = made(bench, "url-lists", "score_peers.py", "url-lists")
    words = {}
    for option, name in (("words", "banned_words"), ("softWords", "soft_banned_words"), ("parts", "banned_subwords")):
        with open(f"{lists}/{name}.json", "rb") as raw:
            words[option] = orjson.loads(raw.read())
    folder = pages(bench)
    ours = {
        "read": {"use": "documents.read", "options": {"files": folder}},
        "url": {
            "use": "filter.url", "inputs": {"documents": "read"},
            "options": {"lists": [f"{lists}/domains", f"{lists}/urls"], **words}}}
    return (
        "datatrove", bench.megabytes,
        lambda: bench.python("score_peers.py", "datatrove-url", folder, bench.fresh("measures"), str(os.cpu_count())),
        lambda: bench.pipeline(ours, only="url"))


def wired_model(make, **options):
    return lambda bench: ({"model": make(bench), **options}, {}, {})


CASES = {
    "score-quality-datatrove": scored("datatrove", "datatrove-quality", "score.quality", 4),
    "score-quality-juicer": scored("data-juicer", "juicer-quality", "score.quality", 16),
    "score-quality-hojichar": scored("hojichar", "hojichar-quality", "score.quality", 16),
    "score-classifier": scored("scikit-learn", "sklearn", "score.classifier", 16, sklearn_model, own_classifier),
    "score-fasttext": scored(
        "fasttext", None, "score.fasttext", 16, language_model, wired_model(language_model)),
    "score-fasttext-words": scored("fasttext", None, "score.fasttext", 32, word_model, wired_model(word_model)),
    "score-fasttext-datatrove": scored(
        "datatrove", "datatrove-fasttext", "score.fasttext", 16, language_model, wired_model(language_model)),
    "score-perplexity": scored(
        "kenlm", "kenlm", "score.perplexity", 32, character_model, wired_model(character_model, unit="characters")),
    "url-datatrove": addresses,
    "language-hojichar": scored("hojichar", "hojichar-language", "filter.language", 64, name="language"),
    "language-cld2": scored("pycld2", "cld2-language", "filter.language", 64, name="language"),
    "language-datatrove": scored(
        "datatrove", "datatrove-language", "filter.language", 16, language_model, name="language"),
}
# With the cases of other files that measure filter.quality, redact.pii and filter.toxicity.
SCORERS = [*CASES, "program-builtin", "redact-datatrove", "redact-hojichar", "redact-juicer", "words-script", "words-mecab"]
