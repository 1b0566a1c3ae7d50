"""Ids that stand twice are refused by file and line; judgments count once; negative ones are no gain; nothing is above 1."""
import json
import os
import pathlib
import subprocess

PIPELINE = os.environ["PIPELINE"]
CORPUS = [("d1", "あいう"), ("d2", "かきく"), ("d3", "おえ")]
QUERIES = [("q1", "あいう"), ("q2", "かきく")]


def lines(records):
    return "".join(json.dumps({"id": i, "text": text}, ensure_ascii=False) + "\n" for i, text in records)


def write(corpus=CORPUS, queries=QUERIES, judgments="q1 0 d1 1\nq2 0 d2 1\n"):
    pathlib.Path("c.jsonl").write_text(lines(corpus))
    pathlib.Path("q.jsonl").write_text(lines(queries))
    pathlib.Path("j.txt").write_text(judgments)


def run():
    done = subprocess.run([PIPELINE, "run", "doc.json"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def refused(*said):
    code, output = run()
    assert code == 1 and all(text in output for text in said), f"exit {code}, not refused for {said}: {output[-300:]}"


def scores():
    code, output = run()
    assert code == 0, f"exit {code} (the engine of Scripts/engine is needed): {output[-300:]}"
    folder = subprocess.run([PIPELINE, "artifact", "doc.json", "e.metrics"], capture_output=True, text=True)
    metrics = json.loads((pathlib.Path(folder.stdout.strip()) / "retrieval.json").read_text())
    for name, value in metrics.items():
        assert name == "queries" or not isinstance(value, float) or 0 <= value <= 1, f"{name} is {value}"
    return metrics, output


refused("c.jsonl:4: the id 'd1' occurs twice in 'corpus': also in c.jsonl:1")
write(queries=QUERIES + [("q1", "おえ")])
refused("q.jsonl:3: the id 'q1' occurs twice in 'queries'")
write(judgments="q1 0 d1 1\nq1 0 d1 2\n")
refused("j.txt:2: judges document 'd1' for query 'q1' as 2.0, judged before as 1.0")
write(judgments="q1 0 d1 nan\n")
refused("j.txt:1: its relevance is nan")
write()
plain, _ = scores()
assert plain["recall@100"] == 1 and plain["queries"] == 2
write(judgments="q1 0 d1 1\nq1 0 d1 1\nq2 0 d2 1\n")
again, output = scores()
assert again == plain and "judged-again" in output
write(judgments="q1 0 d1 1\nq1 0 d2 -1\nq1 0 d3 -2\nq2 0 d2 1\n")
negative, _ = scores()
assert negative == plain, f"{negative} is not {plain}"
os.mkdir("parts")
for name, records in (("a", CORPUS[:1]), ("b", CORPUS[1:])):
    pathlib.Path(f"parts/{name}.jsonl").write_text(lines(records))
document = pathlib.Path("doc.json").read_text().replace('"c.jsonl"', '"parts"')
pathlib.Path("doc.json").write_text(document)
parts, _ = scores()
assert parts == plain, f"a corpus of two files gives {parts}"
pathlib.Path("parts/c.jsonl").write_text(lines(CORPUS[2:]))
refused("occurs twice in 'corpus'")
print(f"refused by line in 5 forms; recall@100 {plain['recall@100']}, nDCG@10 {plain['nDCG@10']} whatever is repeated")
