"""Makes a corpus of made-up Japanese words: the same documents for the same arguments.

Words follow Zipf's law, a seventh of the documents are near or exact copies, and the files are Dolma documents
(FOLDER/NNNNN.jsonl.zst). It stands in for real text where there is none; ratios of speed are closest on real text.
"""

import json
import os
import random

KANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
KATAKANA = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"
PARTICLES = ["は", "が", "を", "に", "で", "と", "の", "も", "から", "まで"]


def words(rng, count):
    kanji = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
    made = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.55:
            made.append("".join(rng.choice(kanji) for _ in range(rng.choice((1, 2, 2, 2, 3)))))
        elif kind < 0.75:
            made.append(rng.choice(kanji) + "".join(rng.choice(KANA) for _ in range(rng.choice((1, 2, 2)))))
        elif kind < 0.9:
            made.append("".join(rng.choice(KATAKANA) for _ in range(rng.randint(2, 6))))
        else:
            made.append("".join(rng.choice(KANA) for _ in range(rng.randint(2, 5))))
    return made


def zipf(count):
    """Cumulative weights of ranks by Zipf's law."""
    weights, total = [], 0.0
    for rank in range(count):
        total += 1 / (rank + 3)
        weights.append(total)
    return weights


def sentence(rng, vocabulary, weights):
    parts = rng.choices(vocabulary, cum_weights=weights, k=rng.randint(4, 14))
    return "".join(part + rng.choice(PARTICLES) for part in parts[:-1]) + parts[-1] + "。"


def edited(rng, text):
    characters = list(text)
    for _ in range(max(1, len(characters) // 80)):
        characters[rng.randrange(len(characters))] = rng.choice(KANA)
    return "".join(characters)


def make(folder, megabytes, shards=8, seed=11):
    import zstandard

    rng = random.Random(seed)
    vocabulary = words(rng, 60_000)
    weights = zipf(len(vocabulary))
    texts, size = [], 0
    while size < megabytes * 1_000_000:
        if texts and rng.random() < 0.15:
            text = rng.choice(texts)
            text = edited(rng, text) if rng.random() < 0.7 else text
        else:
            text = ""
            for _ in range(rng.randint(5, 40)):
                text += sentence(rng, vocabulary, weights) + ("\n" if rng.random() < 0.2 else "")
        texts.append(text)
        size += len(text.encode())
    rng.shuffle(texts)
    os.makedirs(folder)
    for shard in range(shards):
        with open(f"{folder}/{shard:05d}.jsonl.zst", "wb") as raw, zstandard.ZstdCompressor(3).stream_writer(raw) as out:
            for i in range(shard, len(texts), shards):
                document = {"id": f"d{i:07d}", "text": texts[i], "source": "made", "metadata": {"domain": "made"}}
                out.write((json.dumps(document, ensure_ascii=False) + "\n").encode())
