# make demo   a first look: generated data, training, evaluation, pictures
# make test   the tests
# make lint   the style checks
# make bench  what each part costs (benchmarks/README.md)
# Each makes .venv and installs what it needs, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: demo test lint bench install
.DELETE_ON_ERROR:

install: $(INSTALLED)

$(INSTALLED): setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,test]'
	touch $@

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	@lines=$$(wc -l < README.md); test $$lines -le 170 || { echo "README.md has $$lines lines; at most 170 are wanted"; exit 1; }

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run

# ---- demo: phantom data, an untrained backbone, both auto-annotation modes ----

PHANTOM := data/phantom
DEMO := runs/demo
DEMO_FLAGS := --data phantom --gpu cpu --backbone-weights random --preset openi --epochs 12 --batch 16 \
	--set dropout=0.2 --set transition_channels=64

demo: $(DEMO)/annotate-text/eval/phantom-test/roc.png $(DEMO)/annotate/eval/phantom-test/roc.png
	@for mode in annotate-text annotate; do echo; echo "$$mode, phantom test split:"; \
		cat $(DEMO)/$$mode/eval/phantom-test/table.txt; done
	@echo; echo "Pages: $(DEMO)/annotate/eval/phantom-test/pages/index.html"

$(PHANTOM)/manifest.csv: $(INSTALLED)
	$(BIN)/python data_prep/phantom.py --out $(PHANTOM) --studies 1200 --image-px 256 --seed 0

$(PHANTOM)/vocab/embeddings.npy: $(PHANTOM)/manifest.csv
	PYTHON=$(BIN)/python bash data_prep/build_vocab.sh --data phantom

$(DEMO)/%/best.json: $(PHANTOM)/vocab/embeddings.npy
	rm -rf $(@D)
	$(BIN)/python train.py --mode $* $(DEMO_FLAGS) --logdir $(@D)

$(DEMO)/%/eval/phantom-test/roc.png: $(DEMO)/%/best.json
	$(BIN)/python eval.py --load $(DEMO)/$* --data phantom --gpu cpu
	touch $@
.PRECIOUS: $(DEMO)/%/best.json
