"""Checks a deduplication of a corpus with planted duplicates against exact Jaccard similarities.

  python3 check_dedupe.py CORPUS KEPT DROPS [KEPT DROPS]...

CORPUS holds documents/*.jsonl.zst and truth.jsonl as shared/bench/make_corpus.py writes them; KEPT and DROPS are the
folders of the stage's output and of its dropped documents. Several pairs must hold the same survivors. Similarities
are over sets of character 5-grams, of the text as it stands and of the text as the stage compares it.

Needs: pip install zstandard.
"""
import glob, io, json, sys, unicodedata
import zstandard


def lines(folder):
    for path in sorted(glob.glob(f"{folder}/*.zst")):
        with open(path, "rb") as raw:
            for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw)):
                yield json.loads(line)


def folded(text):
    """NFKC, lower case, no controls, one space for a run of white space."""
    kept = [" " if c.isspace() else c.lower() for c in unicodedata.normalize("NFKC", text)]
    return " ".join("".join(c for c in kept if unicodedata.category(c[0]) not in ("Cc", "Cf")).split()) or text


def shingles(text):
    return {text[i : i + 5] for i in range(max(1, len(text) - 4))}


def jaccard(a, b):
    a, b = shingles(a), shingles(b)
    return len(a & b) / len(a | b)


def check(corpus, kept, drops):
    texts = {d["id"]: d["text"] for d in lines(f"{corpus}/documents")}
    planted = [json.loads(line) for line in open(f"{corpus}/truth.jsonl")]
    stays = {d["id"]: d["text"] for d in lines(kept)}
    dropped = {d["id"]: d for d in lines(drops)}
    good = True

    def demand(holds, sentence):
        nonlocal good
        good = good and holds
        print("ok  " if holds else "FAIL", sentence)

    demand(stays.keys() | dropped.keys() == texts.keys() and not stays.keys() & dropped.keys(),
           f"{len(texts)} documents = {len(stays)} kept + {len(dropped)} dropped")
    demand(all(texts[i] == t for i, t in stays.items()), "kept texts are unchanged")
    demand(all(d["survivor"] in stays for d in dropped.values()), "every survivor is kept")
    for kind, least in (("exact", 1.0), ("near", 0.99)):
        pairs = [t for t in planted if t["kind"] == kind]
        found = sum(t["id"] in dropped or t["of"] in dropped for t in pairs)
        demand(found >= least * len(pairs), f"planted {kind} duplicates found: {found} of {len(pairs)}")
    for name, form in (("as compared", folded), ("as it stands", lambda t: t)):
        exact = {i: jaccard(form(texts[i]), form(texts[d["survivor"]])) for i, d in dropped.items()}
        below = [sum(s < limit for s in exact.values()) for limit in (0.6, 0.7)]
        demand(below[0] == 0 and below[1] <= 0.02 * len(exact),
               f"text {name}: dropped pairs with Jaccard below 0.6: {below[0]}, below 0.7: {below[1]} of {len(exact)}; "
               f"least {min(exact.values(), default=1):.3f}")
        if form is folded:
            off = max((abs(exact[i] - d["value"]) for i, d in dropped.items() if "detail" not in d), default=0)
            demand(off < 1e-6, f"similarities reported as exact are exact (off by at most {off:.1e})")
            off = max((abs(exact[i] - d["value"]) for i, d in dropped.items() if "detail" in d), default=0)
            print(f"     estimated similarities are off by at most {off:.3f}")
    return good, frozenset(stays)


def main():
    corpus, folders = sys.argv[1], sys.argv[2:]
    results = [check(corpus, *folders[i : i + 2]) for i in range(0, len(folders), 2)]
    same = len({survivors for _, survivors in results}) == 1
    print("ok  " if same else "FAIL", f"the same survivors in {len(results)} runs")
    sys.exit(0 if same and all(good for good, _ in results) else 1)


if __name__ == "__main__":
    main()
