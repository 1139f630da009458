"""`demo`: a small BERT trained on text that ships with Python, its result beside what it has to beat.

Docstrings → `data/`, their word pieces → `vocab/`, `finetune` → `model/`: the same steps as on a file of one's own.
"""

import json
import platform
import shlex
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.api.common import say, settled
from bertwright.api.finetuning import Finetuned, finetune
from bertwright.api.run_folder import RunFolder
from bertwright.errors import UsageError
from bertwright.evaluation.baselines import commonest, naive_bayes
from bertwright.files import make_folder, write_file
from bertwright.settings import DemoSettings
from bertwright.tasks.classification import label_order
from bertwright.tasks.labelled import LabelledRows
from bertwright.tasks.metrics import classification_metrics, confusion_matrix
from bertwright.text.docstrings import Docstring, read_docstrings, split
from bertwright.text.tables import open_table
from bertwright.text.wordpiece import WordPiece
