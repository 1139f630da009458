"""A ratchet: the flags of each verb, so that none comes or goes unnoticed.

A flag is a promise to everyone who wrote it into a script. To add one, add a field to the settings class and its
flag here, in the same change, with a line in CHANGELOG.md; to rename one, keep the old name as an alias (`Spelled`).
"""

import pytest

from bertwright import settings
from bertwright.cli import VERBS
from bertwright.flags import spellings

GENERAL = "--config --debug --help"
TABLE = (
    "--columns --text-column --text-pair-column --label-column --label-columns --label-separator --null-labels "
    "--quoting --no-quoting "
    "--skip-bad-rows --no-skip-bad-rows"
)
CORPUS = (
    "--input --one-document-per-line --no-one-document-per-line "
    "--document-per-file --no-document-per-file --text-column"
)
MASKS = "--objective --mask-ratio --mask-shares --mask-unit"
DEVICE = "--device --precision"
TRACKERS = "--tensorboard --no-tensorboard --wandb --no-wandb --mlflow --no-mlflow"
APPLY = f"{GENERAL} {TABLE} {DEVICE} --model --max-length --batch-tokens --quiet --no-quiet"

FLAGS = {
    "vocab": f"""{GENERAL} {CORPUS}
        --output-dir --size --cased --no-cased --strip-accents --no-strip-accents
        --chinese-characters --no-chinese-characters --min-frequency --character-coverage --unused-tokens --max-length
        --compare --overwrite --no-overwrite --quiet --no-quiet""",
    "prepare": f"""{GENERAL} {CORPUS}
        --vocab --output-dir --segmenter --deduplicate --processes --overwrite --no-overwrite --quiet --no-quiet""",
    "inspect": f"""{GENERAL} {MASKS}
        --shards --vocab --max-length --held-out --seed --examples --samples --output --quiet --no-quiet""",
    "pretrain": f"""{GENERAL} {MASKS} {DEVICE}
        --model --shards --output-dir --max-length --phases --max-steps --epochs --max-hours --batch-size --batch-tokens
        --batch-ramp --gradient-accumulation --optimizer --learning-rate --schedule --warmup-ratio --weight-decay
        --max-grad-norm --dropout --seed --held-out --eval-sequences --eval-steps --loader-workers --verify-resume
        --explain --no-explain --save-steps --keep-snapshots --log-steps --overwrite --no-overwrite --weights-format
        {TRACKERS} --quiet --no-quiet""",
    "finetune": f"""{GENERAL} {TABLE} {DEVICE}
        --model --train --validation --test --output-dir --validation-fraction --split-seed --seeds --folds --fold
        --vocab --task --max-length --epochs --max-steps --batch-size --group-by-length --no-group-by-length
        --gradient-accumulation --learning-rate --schedule
        --warmup-ratio --weight-decay --max-grad-norm --layer-decay --freeze-layers --dropout --label-smoothing
        --crf --no-crf --focal-gamma --adversarial-epsilon --ema-decay
        --class-weights --seed --long --window-pooling --stride --max-question-length --max-answer-length
        --tune-thresholds
        --no-tune-thresholds --calibrate --no-calibrate
        --positive-label --eval-steps --best-metric --early-stopping-patience --save-steps --keep-snapshots
        --log-steps --overwrite --no-overwrite --weights-format --explain --no-explain {TRACKERS}
        --slice-columns --lang --quiet --no-quiet""",
    "evaluate": f"{APPLY} --test --output-dir --positive-label --against --bootstrap-draws --slice-columns --lang",
    "report": f"{GENERAL} --folder --lang --output",
    "predict": f"{APPLY} --input --output --top-k",
    "demo": f"{GENERAL} {DEVICE} --output-dir --seed --overwrite --no-overwrite --quiet --no-quiet",
}
FLAGS |= dict.fromkeys(
    ("glue", "clue", "squad"),
    f"""{GENERAL} {DEVICE}
        --model --data --output-dir --tasks --seeds --seed --epochs --batch-size --learning-rate --max-length
        --max-steps --vocab --overwrite --no-overwrite --quiet --no-quiet""",
)
FLAGS["doctor"] = f"{FLAGS['finetune']} --as-json --no-as-json"  # a command needs another verb alone
FLAGS["tune"] = f"""{FLAGS["finetune"]} --space --trials --max-hours --prune --no-prune --storage --study-name
    --worker --no-worker --stale-seconds"""


@pytest.mark.parametrize("verb", VERBS)
def test_the_flags_are_these(verb: str) -> None:
    cls = getattr(settings, VERBS[verb].settings)
    flags, frozen = set(spellings(cls).values()), set(FLAGS[verb].split())
    assert flags - frozen == set(), f"new flags of {verb}: see the head of {__file__} for how to add them"
    assert frozen - flags == set(), f"flags of {verb} are gone: scripts use them; keep the old names as aliases"
