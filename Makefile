# make demo   a first look: generated data, training, evaluation, pictures
# make test   the tests
# make lint   the style checks
# make bench  what each part costs (benchmarks/README.md)
# make openi OPENI=DIR PUBMED=FILE   the paper's tables on OpenI, from the raw files (benchmarks/RESULTS.md)
# make openi-cv OPENI=DIR PUBMED=FILE   the same over five folds, so that every study is judged once
# Each makes .venv and installs what it needs, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: demo test lint bench openi openi-cv install
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
	--set dropout=0.2
$(DEMO)/annotate/best.json: DEMO_FLAGS += --set transition_channels=64

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

# ---- openi: six trainings on each of two splits, and the paper's two tables with the controls beside them ----
# DIR is the folder of OpenI's files, FILE a text with one abstract a line. Each step leaves a file, so that it is done
# once; a training that was stopped goes on. Without Java, EVAL_FLAGS=--no-java leaves METEOR out.

EVAL_FLAGS ?=
OPENI_SETS := openi openi-r2gen
OPENI_MODES := annotate-text annotate classify classify-lse report caption    # -lse: with LSE pooling, the paper's I
mode_flags = --mode $(patsubst %-lse,%,$(notdir $*)) --preset openi $(if $(filter %-lse,$*),--set pooling=lse)
OPENI_RUNS := $(foreach data,$(OPENI_SETS),$(OPENI_MODES:%=runs/$(data)/%/.trained))

ifneq ($(filter openi openi-cv,$(MAKECMDGOALS)),)
ifeq ($(and $(OPENI),$(PUBMED)),)
$(error give OPENI=DIR (OpenI's files: NLMCXR_reports.tgz, images/ ...) and PUBMED=FILE (a text, one abstract a line))
endif
ifeq ($(wildcard $(OPENI)/NLMCXR_reports.tgz),)
$(error OPENI=$(OPENI): there is no NLMCXR_reports.tgz in it; give the folder of OpenI's files)
endif
ifeq ($(wildcard $(PUBMED)),)
$(error PUBMED=$(PUBMED): there is no such file; give a text with one abstract a line)
endif
ifeq ($(shell command -v java)$(filter --no-java,$(EVAL_FLAGS)),)
$(error METEOR needs Java, which is not here (Debian: default-jre-headless); or give EVAL_FLAGS=--no-java)
endif
endif

openi: $(OPENI_SETS:%=tables/%/tables.html)
	@for data in $(OPENI_SETS); do echo; cat tables/$$data/table1.txt; echo; cat tables/$$data/table2.txt; done

prepare_openi = $(BIN)/python data_prep/openi.py --reports $(OPENI)/NLMCXR_reports.tgz --images $(OPENI)/images \
	--projections $(OPENI)/indiana_projections.csv --labels $(OPENI)/openi_gld_std14.csv --out $(@D) --split

data/openi/manifest.csv: | $(INSTALLED)
	$(prepare_openi) hash

data/openi-r2gen/manifest.csv: | $(INSTALLED)
	$(prepare_openi) $(OPENI)/r2gen_annotation.json

$(OPENI_SETS:%=data/%/vocab/embeddings.npy): data/%/vocab/embeddings.npy: data/%/manifest.csv
	PYTHON=$(BIN)/python bash data_prep/build_vocab.sh --data $* --corpus $(PUBMED)

pretrained/resnet50.npz: | $(INSTALLED)
	$(BIN)/python pretrained/fetch.py

data/openi/.features: data/openi/manifest.csv pretrained/resnet50.npz
	$(BIN)/python data_prep/cache_features.py --data openi --backbone-end res4f --image-px 256
	touch $@

data/openi-r2gen/.features: data/openi/.features data/openi-r2gen/manifest.csv
	ln -sfn ../openi/features $(@D)/features    # the same images: their features need not be computed twice
	touch $@

# A run of older data is started anew; one that was only stopped is resumed.
$(OPENI_RUNS): runs/%/.trained:
	if test -e $@; then rm -rf $(@D); fi
	$(BIN)/python train.py $(mode_flags) --data $(patsubst %/,%,$(dir $*)) --logdir $(@D) --resume
	touch $@
$(foreach data,$(OPENI_SETS),$(eval $(OPENI_MODES:%=runs/$(data)/%/.trained): \
	data/$(data)/vocab/embeddings.npy data/$(data)/.features))
$(foreach data,$(OPENI_SETS),$(eval tables/$(data)/tables.html: $(OPENI_MODES:%=runs/$(data)/%/.trained)))

$(OPENI_SETS:%=tables/%/tables.html): tables/%/tables.html:
	$(BIN)/python eval.py --load $(OPENI_MODES:%=runs/$*/%) --data $* --controls \
		--labeller runs/$*/annotate-text --out $(@D) $(EVAL_FLAGS)

# ---- openi-cv: five folds, each of which tests other studies, and then all of them put together ----
# FOLDS="3" does one fold, MODES="annotate caption" some of the trainings (annotate-text is always there, as it reads the
# reports), OPENI_SEEDS="0 1 2" trains annotate-text and annotate with several seeds. What was done in other goes counts:
# a fold's evaluation is of all its runs, and the folds are put together as soon as the last of them is there.

FOLDS ?= 1 2 3 4 5
MODES ?= annotate-text annotate classify classify-lse report caption
OPENI_SEEDS ?= 0
CV_FOLDS := 1 2 3 4 5
CV_SEEDED := annotate-text annotate
CV_MODES := annotate-text $(filter-out annotate-text,$(MODES))
CV_RUNS := $(foreach mode,$(CV_MODES),$(if $(filter $(CV_SEEDED),$(mode)),$(OPENI_SEEDS:%=$(mode)-%),$(mode)))
CV_LABELLER := annotate-text-$(firstword $(OPENI_SEEDS))
CV_SETS := $(FOLDS:%=openi-fold-%)
CV_TRAINED := $(foreach data,$(CV_SETS),$(CV_RUNS:%=runs/$(data)/%/.trained))
CV_TABLES := $(CV_FOLDS:%=tables/openi-fold-%/tables.html)
CV_MISSING := $(filter-out $(CV_SETS:%=tables/%/tables.html) $(wildcard $(CV_TABLES)),$(CV_TABLES))

ifneq ($(filter openi-cv,$(MAKECMDGOALS)),)
ifneq ($(filter-out $(CV_FOLDS),$(FOLDS)),)
$(error FOLDS=$(FOLDS): expected some of $(CV_FOLDS))
endif
ifneq ($(filter-out $(OPENI_MODES) classify-lse,$(MODES)),)
$(error MODES=$(MODES): expected some of $(OPENI_MODES) classify-lse)
endif
endif

openi-cv: $(CV_SETS:%=tables/%/tables.html) $(if $(CV_MISSING),,tables/openi-cv/metrics.json)
	@$(if $(CV_MISSING),echo "not put together yet: there is no $(firstword $(CV_MISSING))",cat tables/openi-cv/table.txt)

$(CV_SETS:%=data/%/manifest.csv): data/openi-fold-%/manifest.csv: | $(INSTALLED)
	$(prepare_openi) fold=$*/$(words $(CV_FOLDS))

$(CV_SETS:%=data/%/vocab/embeddings.npy): data/%/vocab/embeddings.npy: data/%/manifest.csv
	PYTHON=$(BIN)/python bash data_prep/build_vocab.sh --data $* --corpus $(PUBMED)

$(CV_SETS:%=data/%/.features): data/%/.features: data/openi/.features data/%/manifest.csv
	ln -sfn ../openi/features $(@D)/features
	touch $@

# RUN is a mode; MODE-SEED; or classify-lse.
cv_flags = --mode $(if $(filter classify-%,$1),classify --set pooling=lse,$(if $(filter annotate-text-%,$1),annotate-text \
	--seed $(1:annotate-text-%=%),$(if $(filter annotate-%,$1),annotate --seed $(1:annotate-%=%),$1)))

$(CV_TRAINED): runs/%/.trained:
	if test -e $@; then rm -rf $(@D); fi
	$(BIN)/python train.py $(call cv_flags,$(notdir $*)) --data $(patsubst %/,%,$(dir $*)) --preset openi \
		--logdir $(@D) --resume
	touch $@
$(foreach data,$(CV_SETS),$(eval $(CV_RUNS:%=runs/$(data)/%/.trained): data/$(data)/vocab/embeddings.npy data/$(data)/.features))
$(foreach data,$(CV_SETS),$(eval tables/$(data)/tables.html: $(CV_RUNS:%=runs/$(data)/%/.trained)))

# All runs of the fold are judged, those of earlier goes too.
$(CV_SETS:%=tables/%/tables.html): tables/openi-fold-%/tables.html:
	$(BIN)/python eval.py --load $$(ls runs/openi-fold-$*/*/.trained | xargs -n 1 dirname) --data openi-fold-$* --controls \
		--labeller runs/openi-fold-$*/$(CV_LABELLER) --out $(@D) $(EVAL_FLAGS)
	$(BIN)/python -m benchmarks.small_metrics $(@D) benchmarks/openi-cv/fold-$*

tables/openi-cv/metrics.json: $(CV_TABLES)
	$(BIN)/python -m tienet pool $(patsubst %/,%,$(dir $(CV_TABLES))) --out $(@D) $(filter --no-java,$(EVAL_FLAGS))
	$(BIN)/python -m benchmarks.small_metrics $@ benchmarks/openi-cv/pooled.json
