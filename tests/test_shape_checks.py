"""The suite checks the shapes in the package's annotations: a wrong one is refused, in every module that has some."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from bertwright.tasks.classification import Classification
from bertwright.text.wordpiece import Encoded
from shape_checks import CHECKED

SOURCE = Path(__file__).parent.parent / "src"


def test_wrong_arguments_are_refused():
    model, logits = tiny.bert(), np.zeros((3, 2), dtype=np.float32)
    with pytest.raises(TypeError, match=r"checking the parameters of bertwright\.model\.encoder\.Pooler\.forward"):
        model.pooler(torch.zeros(2, 3, tiny.CONFIG.hidden_size))
    with pytest.raises(TypeError, match=r"parameters of bertwright\.tasks\.classification\.ClassificationTally\.count"):
        Classification(("no", "yes")).tally().count(logits, np.zeros(4, dtype=np.int64))  # 3 and 4 texts
    with pytest.raises(TypeError, match=r"parameters of bertwright\.tasks\.classification\.ClassificationTally\.count"):
        Classification(("no", "yes")).tally().count(logits, np.zeros(3))  # labels that are no integers


def test_wrong_results_are_refused():
    model = tiny.bert()
    model.pooler.dense = torch.nn.Linear(tiny.CONFIG.hidden_size, 7)
    with pytest.raises(TypeError, match=r"checking the return value of bertwright\.model\.encoder\.Pooler\.forward"):
        model.pooled(tiny.flat([3, 2]))


def test_wrong_fields_are_refused():
    tokens, texts = tiny.flat([3, 2]), tiny.encoded([3, 2])
    with pytest.raises(TypeError, match=r"parameters of bertwright\.model\.flat\.FlatTokens"):
        replace(tokens, segments=tokens.segments[1:])
    with pytest.raises(TypeError, match=r"parameters of bertwright\.text\.wordpiece\.Encoded"):
        Encoded(texts.ids, texts.segments, texts.full_lengths, texts.cu_seqlens[1:])
    with pytest.raises(TypeError, match=r"parameters of bertwright\.text\.wordpiece\.Encoded"):
        replace(texts, ids=texts.ids.astype(np.int64))


def test_every_module_with_shapes_is_checked():
    modules = [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in sorted(SOURCE.rglob("*.py"))
        if "jaxtyping" in path.read_text("utf-8")
    ]
    assert len(modules) > 5
    unchecked = [module for module in modules if not f"{module}.".startswith(tuple(f"{name}." for name in CHECKED))]
    assert unchecked == []


def test_production_checks_nothing():
    code = "import sys, bertwright.model.heads as heads; assert 'beartype' not in sys.modules; "
    code += "assert not hasattr(heads.SequenceClassifier.forward, '__wrapped__')"
    subprocess.run([sys.executable, "-c", code], check=True)
