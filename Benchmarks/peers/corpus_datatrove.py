"""datatrove's steps from documents to tokens, in its local executor: clean, language, quality, exact, minhash, split, tokens.

usage: corpus_datatrove.py CORPUS OUTPUT WORKERS MODEL TOKENIZER

MODEL is fastText's lid.176.ftz, TOKENIZER a tokenizer.json. Each step is the nearest that datatrove has to that of pipeline: FTFY with
NFKC, its filters of languages and of Gopher's repetitions, exact and near-duplicates (200 hashes in 20 bands), a sample of 99 %,
and its tokenizer. Characters are its words, since its Japanese tokenizer is several times slower. Steps that can follow one another
on the same documents do: what is filtered is written and hashed at once.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(sys.prefix, "operators"))

from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.dedup import (  # noqa: E402
    ExactDedupConfig, ExactDedupFilter, ExactDedupSignature, ExactFindDedups, MinhashDedupBuckets, MinhashDedupCluster,
    MinhashDedupFilter, MinhashDedupSignature)
from datatrove.pipeline.dedup.minhash import MinhashConfig  # noqa: E402
from datatrove.pipeline.filters import GopherRepetitionFilter, LanguageFilter, SamplerFilter, gopher_repetition_filter  # noqa: E402
from datatrove.pipeline.filters.base_filter import BaseFilter  # noqa: E402
from datatrove.pipeline.formatters import FTFYFormatter  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.tokens import DocumentTokenizer  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402

NOT_HIRAGANA = re.compile("[^ぁ-ゖゝ-ゟ]+")


class Lengths(BaseFilter):
    """The thresholds of the preset swallow that are of characters alone."""

    name = "lengths"

    def filter(self, doc):
        characters = len(doc.text)
        if characters < 400:
            return False, "minimum-characters"
        if len(NOT_HIRAGANA.sub("", doc.text)) / characters < 0.2:
            return False, "minimum-hiragana-fraction"
        return True


class Repetitions(GopherRepetitionFilter):
    def run(self, data, rank=0, world_size=1):
        gopher_repetition_filter.split_into_words = lambda text, language: list(text)
        yield from super().run(data, rank, world_size)


class Characters:
    """In place of a tokenizer of words."""

    def word_tokenize(self, text):
        return list(text)


def text_of(document) -> str:
    return document.text


if __name__ == "__main__":
    corpus, output, workers, model, tokenizer = sys.argv[1:]
    files = sum(name.endswith(".jsonl.zst") for name in os.listdir(corpus))
    exact = ExactDedupConfig(content_getter=text_of)
    minhash = MinhashConfig(n_grams=5, num_buckets=20, hashes_per_bucket=10)
    language = LanguageFilter("ja", language_threshold=0.5)
    language.model.MODEL_URL = model
    signatures = MinhashDedupSignature(output + "/signatures", minhash)
    signatures.word_tokenizer = Characters()

    def read(folder):
        return JsonlReader(folder, glob_pattern="*.jsonl.zst")

    def write(folder):
        return JsonlWriter(folder, output_filename="${rank}.jsonl.zst", compression="zstd")

    def run(name, *steps, tasks=files):
        LocalPipelineExecutor(
            pipeline=list(steps), tasks=tasks, workers=min(int(workers), tasks), logging_dir=f"{output}/logs/{name}").run()

    began = time.monotonic()
    run(
        "filter", read(corpus), FTFYFormatter(normalization="NFKC"), language, Lengths(), Repetitions(),
        write(output + "/filtered"), ExactDedupSignature(output + "/hashes", exact))
    run("copies", ExactFindDedups(output + "/hashes", output + "/copies", exact), tasks=1)
    run("exact", read(output + "/filtered"), ExactDedupFilter(output + "/copies", exact), write(output + "/exact"), signatures)
    run(
        "pairs", MinhashDedupBuckets(output + "/signatures", output + "/pairs", config=minhash), tasks=minhash.num_buckets)
    run("clusters", MinhashDedupCluster(output + "/pairs", output + "/removed", config=minhash), tasks=1)
    run(
        "tokens", read(output + "/exact"), MinhashDedupFilter(output + "/removed"), SamplerFilter(rate=0.99, seed=0),
        write(output + "/train"), DocumentTokenizer(output + "/tokens", tokenizer, shuffle_documents=False))
    print(f"seconds {time.monotonic() - began}")
