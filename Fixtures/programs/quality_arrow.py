"""The same as quality.py on columns: with "frames": "arrow" no text is parsed, and none becomes an object of Python."""
import pyarrow.compute as pc

from pipeline_stage import record_batches


@record_batches
def stage(batch):
    characters = pc.utf8_length(batch["text"])
    hiragana = pc.utf8_length(pc.replace_substring_regex(batch["text"], "[^ぁ-ゖゝ-ゟ]+", ""))
    fraction = pc.divide(pc.cast(hiragana, "float64"), pc.cast(characters, "float64"))
    is_short = pc.less(characters, 400)
    is_poor = pc.less(fraction, 0.15)
    return {
        "drop": pc.if_else(is_short, "minimum-characters", pc.if_else(is_poor, "minimum-hiragana-fraction", None)),
        "value": pc.if_else(is_short, pc.cast(characters, "float64"), fraction),
        "threshold": pc.if_else(is_short, 400.0, 0.15),
    }
