"""Scores documents by the operators of another library: zstd in, JSON lines of measures out.

usage: score_peers.py OPERATOR CORPUS OUTPUT WORKERS [MODEL]

Each process takes one file after another, which is how these libraries' own loops work too; what a document was given is written
as one line of JSON; the operators of languages are filters, and write the documents, as zstd too. Imports and reading models are not measured. Thresholds are off, so that every
document is measured in full; scikit-learn is given 256 documents at a time. MODEL is a fastText model, a
KenLM model or the pickled pair of `train-sklearn`.

usage: score_peers.py url-lists FOLDER       writes the lists of datatrove's filter of web addresses
       score_peers.py train-sklearn POSITIVE NEGATIVE MODEL   trains a logistic regression on n-grams of 1 to 4 characters
"""
import itertools
import multiprocessing
import os
import pickle
import sys
import time

sys.path.insert(0, os.path.join(sys.prefix, "operators"))

import orjson  # noqa: E402
import zstandard  # noqa: E402
from documents import documents, file_documents  # noqa: E402


def datatrove_quality(_):
    """The filters of Gopher and FineWeb, as FineWeb chains them."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    never = dict(
        dup_line_frac=2, dup_para_frac=2, dup_line_char_frac=2, dup_para_char_frac=2,
        top_n_grams=((2, 2), (3, 2), (4, 2)), dup_n_grams=((5, 2), (6, 2), (7, 2), (8, 2), (9, 2), (10, 2)))
    steps = [
        GopherRepetitionFilter(**never),
        GopherQualityFilter(
            min_doc_words=0, max_doc_words=1 << 60, min_avg_word_length=0, max_avg_word_length=1 << 60,
            max_symbol_word_ratio=1 << 60, max_bullet_lines_ratio=2, max_ellipsis_lines_ratio=2,
            max_non_alpha_words_ratio=-1, min_stop_words=0),
        FineWebQualityFilter(line_punct_thr=-1, short_line_thr=2, char_duplicates_ratio=2, new_line_ratio=1 << 60)]

    def measure(text):
        document = Document(text=text, id="")
        return [step.filter(document) is True for step in steps]

    return measure


def juicer_quality(_):
    """Its filters by characters and lines; those by words need a tokenizer that it downloads."""
    from data_juicer.ops.filter.alphanumeric_filter import AlphanumericFilter
    from data_juicer.ops.filter.average_line_length_filter import AverageLineLengthFilter
    from data_juicer.ops.filter.character_repetition_filter import CharacterRepetitionFilter
    from data_juicer.ops.filter.maximum_line_length_filter import MaximumLineLengthFilter
    from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
    from data_juicer.ops.filter.text_length_filter import TextLengthFilter
    from data_juicer.ops.filter.word_repetition_filter import WordRepetitionFilter
    from data_juicer.utils.constant import Fields

    steps = [
        AlphanumericFilter(), AverageLineLengthFilter(), CharacterRepetitionFilter(), MaximumLineLengthFilter(),
        SpecialCharactersFilter(), TextLengthFilter(), WordRepetitionFilter()]

    def measure(text):
        samples = {"text": [text], Fields.stats: [{}]}
        for step in steps:
            samples = step.compute_stats_batched(samples)
        return samples[Fields.stats][0]

    return measure


def hojichar_quality(_):
    """Its filters by measures of the text that need no words of MeCab."""
    from hojichar import Document, document_filters as filters

    steps = [
        filters.DocumentLengthFilter(min_doc_len=0, max_doc_len=1 << 60), filters.AcceptJapanese(),
        filters.DiscardRareKuten(), filters.CharRepetitionRatioFilter(), filters.SingleCharacterRepetitionFilter(),
        filters.DiscardTooManySpecialToken(), filters.DiscardTooManyEndingEllipsis(), filters.DiscardTooShortLines()]

    def measure(text):
        found = []
        for step in steps:
            found.append(step.apply(Document(text)).is_rejected)
        return found

    return measure


def hojichar_language(_):
    from hojichar import Document, document_filters as filters

    step = filters.AcceptJapanese()
    return lambda text: step.apply(Document(text)).is_rejected


def cld2_language(_):
    """What CLD2 refuses, texts with control characters, is cleaned first."""
    import pycld2

    def measure(text):
        try:
            return pycld2.detect(text.encode())[2][0][1]
        except pycld2.error:
            cleaned = "".join(c for c in text if c.isprintable() or c.isspace())
            return pycld2.detect(cleaned.encode())[2][0][1]

    return measure


def datatrove_fasttext(model):
    """What datatrove's FastTextClassifierFilter and its LanguageFilter ask of the fasttext module."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import FastTextClassifierFilter

    step = FastTextClassifierFilter(model, keep_labels=[("ja", -1.0)], newline_replacement=" ")

    def measure(text):
        document = Document(text=text, id="")
        step.filter(document)
        return max(document.metadata.items(), key=lambda item: item[1])

    return measure


def datatrove_url(lists):
    """Its URLFilter with its own lists, which the first call unpacks; `lists` has them for pipeline, see `url_lists`."""
    import tldextract
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter

    step = URLFilter()
    # The list of suffixes that the library carries, in place of a download.
    step.tldextractor = tldextract.TLDExtract(suffix_list_urls=())
    step.filter(Document(text="", id="", metadata={"url": "https://example.com/"}))
    return lambda document: step.filter(Document(text="", id="", metadata={"url": document["metadata"]["url"]})) is True


def url_lists(output):
    """Writes the lists of datatrove's URLFilter, as filter.url takes them."""
    import tarfile

    from datatrove.utils._import_utils import ASSETS_PATH

    os.makedirs(output)
    with tarfile.open(os.path.join(ASSETS_PATH, "url_filterblacklistsv0_3_0.tar.gz")) as tar:
        for name in ("domains", "urls"):
            with open(f"{output}/{name}", "wb") as out:
                out.write(tar.extractfile(next(m for m in tar.getmembers() if os.path.basename(m.name) == name)).read())
    for name in ("banned_words", "banned_subwords", "soft_banned_words"):
        with open(os.path.join(ASSETS_PATH, name + ".txt")) as lines, open(f"{output}/{name}.json", "wb") as out:
            words = {"".join(c for c in line.lower() if c.isascii() and c.isalnum()) for line in lines if line[0] != "#"}
            out.write(orjson.dumps(sorted(words - {""})))


def kenlm(model):
    """As datatrove's and Data-Juicer's operators do it, with characters as words."""
    from unicodedata import normalize

    from kenlm import Model

    model = Model(model)

    def measure(text):
        logarithm = tokens = 0
        for line in normalize("NFKC", text).split("\n"):
            characters = "".join(line.split())
            if characters:
                logarithm += model.score(" ".join(characters))
                tokens += len(characters) + 1
        return 10 ** (-logarithm / max(1, tokens))

    return measure


def sklearn_classifier(model):
    with open(model, "rb") as raw:
        grams, regression = pickle.load(raw)
    return lambda texts: regression.predict_proba(grams.transform(texts))[:, 1].tolist()


def train_sklearn(positive, negative, model):
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    grams = HashingVectorizer(analyzer="char", ngram_range=(1, 4), n_features=1 << 20, alternate_sign=False)
    texts = [[document["text"] for document in documents(folder)] for folder in (positive, negative)]
    regression = LogisticRegression(max_iter=200)
    regression.fit(grams.transform(texts[0] + texts[1]), [1] * len(texts[0]) + [0] * len(texts[1]))
    with open(model, "wb") as out:
        pickle.dump((grams, regression), out)


OPERATORS = {
    "datatrove-quality": datatrove_quality,
    "juicer-quality": juicer_quality,
    "hojichar-quality": hojichar_quality,
    "hojichar-language": hojichar_language,
    "cld2-language": cld2_language,
    "datatrove-fasttext": datatrove_fasttext,
    "datatrove-language": datatrove_fasttext,
    "datatrove-url": datatrove_url,
    "kenlm": kenlm,
    "sklearn": sklearn_classifier,
}
# Of these, `measure` takes a list of as many texts.
BATCHES = {"sklearn": 256}
# Of these, it takes the document.
OF_DOCUMENTS = {"datatrove-url"}
measure = None
is_filter = False
takes_document = False
batch = None


def prepare(name, model, ready):
    global measure, is_filter, takes_document, batch
    batch = BATCHES.get(name)
    is_filter = name.endswith(("-language", "-url"))
    takes_document = name in OF_DOCUMENTS
    try:
        measure = OPERATORS[name](model)
        ready.wait()
    except Exception:
        ready.abort()
        raise


def measured(documents):
    if not batch:
        for document in documents:
            yield document, measure(document if takes_document else document["text"])
        return
    while chosen := list(itertools.islice(documents, batch)):
        yield from zip(chosen, measure([document["text"] for document in chosen]))


def one_file(job):
    source, target = job
    with open(target, "wb") as raw:
        out = zstandard.ZstdCompressor(level=1).stream_writer(raw) if is_filter else raw
        for document, found in measured(file_documents(source)):
            out.write(orjson.dumps(document if is_filter else found, default=float) + b"\n")
        out.close()


def main():
    if sys.argv[1] == "train-sklearn":
        return train_sklearn(*sys.argv[2:5])
    if sys.argv[1] == "url-lists":
        return url_lists(sys.argv[2])
    name, corpus, output, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    model = sys.argv[5] if len(sys.argv) > 5 else None
    files = sorted(file for file in os.listdir(corpus) if file.endswith(".jsonl.zst"))
    os.makedirs(output)
    workers = min(workers, len(files))
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(workers + 1)
    with context.Pool(workers, prepare, (name, model, ready)) as pool:
        ready.wait()
        began = time.monotonic()
        pool.map(one_file, [(f"{corpus}/{file}", f"{output}/{file}.measures") for file in files], chunksize=1)
        print(f"seconds {time.monotonic() - began}")


if __name__ == "__main__":
    main()
