"""Keeps Japanese documents of some length: the same as quality.c, and as filter.quality with these two thresholds."""
import re

from pipeline_stage import Drop, documents

NOT_HIRAGANA = re.compile("[^ぁ-ゖゝ-ゟ]+")


@documents
def stage(document):
    characters = len(document.text)
    if characters < 400:
        return Drop("minimum-characters", characters, 400)
    fraction = len(NOT_HIRAGANA.sub("", document.text)) / characters
    if fraction < 0.15:
        return Drop("minimum-hiragana-fraction", fraction, 0.15)
