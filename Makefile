# make demo   a first look: drawn X-rays, five trainings, tables, pages, and the server that shows them
# make test   the tests
# make lint   the style checks
# make bench  what each part costs (benchmarks/README.md)
# make openi  the paper's tables on OpenI: NLM's archives are downloaded; 8 GB of disk (benchmarks/RESULTS.md)
# make openi-cv   the same over five folds, so that every study is judged once
#             both from a folder of OpenI's files and from word vectors: OPENI=DIR VECTORS=FILE
# Each makes .venv and installs what it needs, once.

PYTHON ?= python3
VENV := .venv
# The extras of setup.py that are installed. Tests that need further ones skip; .ci/run has all of them.
EXTRAS ?= cpu,test
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: demo test lint bench openi openi-cv install
.DELETE_ON_ERROR:

install: $(INSTALLED)

$(INSTALLED): setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
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

# ---- demo: drawn X-rays, an untrained backbone: labels from reports and images, and reports from images alone ----
# As in openi, mode caption goes on from what classify has learnt, and report from what caption has learnt.

PHANTOM := data/phantom
DEMO := runs/demo
DEMO_RUNS := $(addprefix $(DEMO)/,annotate-text annotate report)
DEMO_FLAGS := --data phantom --gpu cpu --backbone-weights random --preset openi --batch 16
demo_image := --set transition_channels=64
demo_writing := $(demo_image) --set grid_position=true --set deep_output=true --set written_words=120 \
	--set sentence_power=0 --set findings_penalty=0 --set no_repeat=0 --lr 0.002
demo_annotate-text := --epochs 12
demo_annotate := $(demo_image) --epochs 8
demo_classify := $(demo_image) --set grid_position=true --set pooling=lse --set dropout=0.2 --lr 0.003 --epochs 15
demo_caption := $(demo_writing) --epochs 28 --set lr_drop_at=1 --load $(DEMO)/classify
demo_report := $(demo_writing) --epochs 4 --set lr_drop_at=0.75 --set alpha=0.5 --set writer_rate=0.2 --set dropout=0.2 \
	--load $(DEMO)/caption --vocab $(DEMO)/caption

demo: $(DEMO)/tables/tables.html
	@for table in 1 2; do sed '/^Paired bootstrap/,$$d; /^How the runs differ/,$$d' $(DEMO)/tables/table$$table.txt; done
	@grep -h " lesions the reports name" $(DEMO)/tables/phantom/report/table.txt
	@echo; echo "All tables, curves and a page for each study: $(DEMO)/tables/tables.html"
	@echo "The page where X-rays are read, with the networks that write and label; open the address that it prints:"
	@echo "  $(BIN)/tienet serve --load $(DEMO)/report $(DEMO)/annotate"

$(PHANTOM)/manifest.csv: $(INSTALLED)
	$(BIN)/python data_prep/phantom.py --out $(PHANTOM) --studies 1200 --image-px 256 --seed 0

$(PHANTOM)/vocab/embeddings.npy: $(PHANTOM)/manifest.csv
	PYTHON=$(BIN)/python bash data_prep/build_vocab.sh --data phantom

# A run of older data is started anew; one that was only stopped is resumed.
$(DEMO)/caption/.trained: $(DEMO)/classify/.trained
$(DEMO)/report/.trained: $(DEMO)/caption/.trained
$(addsuffix /.trained,$(DEMO_RUNS) $(DEMO)/caption $(DEMO)/classify): $(DEMO)/%/.trained: $(PHANTOM)/vocab/embeddings.npy
	if test -e $@; then rm -rf $(@D); fi
	$(BIN)/python train.py --mode $* $(DEMO_FLAGS) $(demo_$*) --logdir $(@D) --resume
	touch $@

$(DEMO)/tables/tables.html: $(DEMO_RUNS:%=%/.trained)
	$(BIN)/python eval.py --load $(DEMO_RUNS) --data phantom --gpu cpu --controls --labeller $(DEMO)/annotate-text --pages 240 \
		--out $(@D) $(if $(shell command -v java),,--no-java)
	touch $@

# ---- openi: the paper's tables on two splits, with the controls beside them ----
# With nothing given, NLM's archives and the ResNet-50 are downloaded, labels come from MeSH, and word vectors from the
# training reports. OPENI=DIR (or FROM=DIR) is a folder of files that were downloaded by hand: NLMCXR_reports.tgz, and
# NLMCXR_png.tgz or a folder images; it may have indiana_projections.csv, openi_gld_std14.csv, and r2gen_annotation.json
# for the second split. Word vectors are better ready-made, VECTORS=FILE, or from a text with one abstract a line,
# PUBMED=FILE. Each step leaves a file, so that it is done once; a download and a training that were stopped go on. All
# modes are trained with each of OPENI_SEEDS, classify-lse once. Without Java, EVAL_FLAGS=--no-java leaves METEOR out.
# OPENI_MODES="annotate-text annotate" does some modes, TRAIN_FLAGS="--epochs 1" is for every training, OPENI_FLAGS
# for tienet prepare openi (also the environment's TIENET_OPENI_URL), and WEIGHTS_FLAGS for tienet weights fetch. Beside the
# archives and images, OPENI_SPACE GB of the disk have to be free, for features and trainings.

FROM ?=
OPENI ?= $(FROM)
OPENI_FLAGS ?=
WEIGHTS_FLAGS ?=
TRAIN_FLAGS ?=
EVAL_FLAGS ?=
OPENI_SPACE ?= 5
OPENI_SETS ?= openi $(if $(wildcard $(OPENI:%=%/r2gen_annotation.json)),openi-r2gen)
ALL_MODES := annotate-text annotate classify classify-lse caption report    # -lse: with LSE pooling, the paper's I
OPENI_MODES ?= $(ALL_MODES)
OPENI_SEEDS ?= $(if $(filter openi-cv,$(MAKECMDGOALS)),0,0 1 2)
SEEDED := annotate-text annotate classify caption report
runs_of = $(foreach mode,$1,$(if $(filter $(SEEDED),$(mode)),$(OPENI_SEEDS:%=$(mode)-%),$(mode)))
# Modes with what they go on from; annotate-text, as it reads the reports.
whole = $(filter annotate-text $1 $(if $(filter report,$1),caption) $(if $(filter report caption,$1),classify),$(ALL_MODES))
LABELLER := annotate-text-$(firstword $(OPENI_SEEDS))

ifneq ($(filter openi openi-cv,$(MAKECMDGOALS)),)
ifneq ($(OPENI),)
ifeq ($(wildcard $(OPENI)/.),)
$(error OPENI=$(OPENI): there is no such folder; give the folder of OpenI's files, or leave OPENI out)
endif
endif
ifneq ($(VECTORS)$(PUBMED),)
ifeq ($(wildcard $(or $(VECTORS),$(PUBMED))),)
$(error $(if $(VECTORS),VECTORS=$(VECTORS): there is no such file; give word vectors,PUBMED=$(PUBMED): there is no such file; give a text with one abstract a line))
endif
else
$(info no VECTORS=FILE and no PUBMED=FILE: word vectors will be learnt from the training reports alone)
endif
ifneq ($(filter-out $(ALL_MODES),$(OPENI_MODES)),)
$(error OPENI_MODES=$(OPENI_MODES): expected some of $(ALL_MODES))
endif
ifeq ($(shell command -v java)$(filter --no-java,$(EVAL_FLAGS)),)
$(error METEOR needs Java, which is not here (Debian: default-jre-headless); or give EVAL_FLAGS=--no-java)
endif
endif
ifneq ($(filter openi,$(MAKECMDGOALS)),)
$(if $(filter openi-r2gen,$(OPENI_SETS)),,$(info no r2gen_annotation.json in OPENI=DIR: there will be the split by a hash alone, without R2Gen's))
endif

openi: $(OPENI_SETS:%=tables/%/.evaluated)
	@for data in $(OPENI_SETS); do echo; cat tables/$$data/table1.txt; echo; cat tables/$$data/table2.txt; done
	@echo; echo "Pages: $(OPENI_SETS:%=tables/%/tables.html)"

prepare_openi = $(BIN)/python data_prep/openi.py $(OPENI:%=--from %) $(OPENI_FLAGS) --out $(@D) --split

# The training of a run: $1 is RUN, which is MODE-SEED or classify-lse, and $2 the data set. Mode caption goes on from what
# classify has learnt with the same seed, and report from what caption has learnt.
mode_of = $(firstword $(foreach mode,$(SEEDED),$(if $(filter $(mode)-%,$1),$(mode))))
seed_of = $(1:$(mode_of)-%=%)
flags_caption = --load runs/$2/classify-$(seed_of)
flags_report = --load runs/$2/caption-$(seed_of)/checkpoints/checkpoint --vocab runs/$2/caption-$(seed_of) \
	--set alpha=0.25 --set writer_rate=0.1 --epochs 8
flags_of = $(if $(filter classify-lse,$1),--set pooling=lse,--seed $(seed_of) $(flags_$(mode_of)))
define train
if test -e $@; then rm -rf $(@D); fi
$(BIN)/python train.py --mode $(mode_of) --data $2 --preset openi $(flags_of) $(TRAIN_FLAGS) --logdir $(@D) --resume
endef
make_vocabulary = PYTHON=$(BIN)/python bash data_prep/build_vocab.sh --data $* \
	$(if $(VECTORS),--vectors $(VECTORS),$(PUBMED:%=--corpus %))

data/openi/manifest.csv: | $(INSTALLED)
	$(prepare_openi) hash --leave-free $(OPENI_SPACE)

data/openi-r2gen/manifest.csv: | data/openi/manifest.csv
	$(prepare_openi) $(OPENI)/r2gen_annotation.json

$(OPENI_SETS:%=data/%/vocab/embeddings.npy): data/%/vocab/embeddings.npy: data/%/manifest.csv
	$(make_vocabulary)

pretrained/resnet50.npz: | $(INSTALLED)
	$(BIN)/python pretrained/fetch.py $(WEIGHTS_FLAGS)

data/openi/.features: data/openi/manifest.csv pretrained/resnet50.npz
	$(BIN)/python data_prep/cache_features.py --data openi --backbone-end res4f --image-px 256
	touch $@

data/openi-r2gen/.features: data/openi/.features data/openi-r2gen/manifest.csv
	ln -sfn ../openi/features $(@D)/features    # the same images: their features need not be computed twice
	touch $@

# A run of older data is started anew; one that was only stopped is resumed.
OPENI_RUNS := $(call runs_of,$(call whole,$(OPENI_MODES)))
$(foreach data,$(OPENI_SETS),$(OPENI_RUNS:%=runs/$(data)/%/.trained)): runs/%/.trained:
	$(call train,$(notdir $*),$(patsubst %/,%,$(dir $*)))
	touch $@
needs = $(eval $(2:%=runs/$1/%/.trained): data/$1/vocab/embeddings.npy data/$1/.features) \
	$(foreach run,$(filter report-%,$2),$(eval runs/$1/$(run)/.trained: runs/$1/$(run:report-%=caption-%)/.trained)) \
	$(foreach run,$(filter caption-%,$2),$(eval runs/$1/$(run)/.trained: runs/$1/$(run:caption-%=classify-%)/.trained)) \
	$(eval tables/$1/.evaluated: $(2:%=runs/$1/%/.trained))
$(foreach data,$(OPENI_SETS),$(call needs,$(data),$(OPENI_RUNS)))

$(OPENI_SETS:%=tables/%/.evaluated): tables/%/.evaluated:
	$(BIN)/python eval.py --load $(OPENI_RUNS:%=runs/$*/%) --data $* --controls --labeller runs/$*/$(LABELLER) \
		--out $(@D) $(EVAL_FLAGS)
	touch $@

# ---- openi-cv: five folds, each of which tests other studies, and then all of them put together ----
# FOLDS="3" does one fold, MODES="annotate caption" some of the trainings (annotate-text is always there, as it reads the
# reports, and so is what a mode goes on from), OPENI_SEEDS="0 1 2" trains with several seeds. What was done in other goes
# counts: a fold's evaluation is of all its runs, and the folds are put together as soon as the last of them is there.

FOLDS ?= 1 2 3 4 5
MODES ?= $(OPENI_MODES)
CV_FOLDS := 1 2 3 4 5
CV_MODES := $(call whole,$(MODES))
CV_RUNS := $(call runs_of,$(CV_MODES))
CV_SETS := $(FOLDS:%=openi-fold-%)
CV_TABLES := $(CV_FOLDS:%=tables/openi-fold-%/.evaluated)
CV_MISSING := $(filter-out $(CV_SETS:%=tables/%/.evaluated) $(wildcard $(CV_TABLES)),$(CV_TABLES))

ifneq ($(filter openi-cv,$(MAKECMDGOALS)),)
ifneq ($(filter-out $(CV_FOLDS),$(FOLDS)),)
$(error FOLDS=$(FOLDS): expected some of $(CV_FOLDS))
endif
ifneq ($(filter-out $(ALL_MODES),$(MODES)),)
$(error MODES=$(MODES): expected some of $(ALL_MODES))
endif
endif

openi-cv: $(CV_SETS:%=tables/%/.evaluated) $(if $(CV_MISSING),,tables/openi-cv/metrics.json)
	@$(if $(CV_MISSING),echo "not put together yet: fold $(patsubst tables/openi-fold-%/.evaluated,%,$(firstword $(CV_MISSING))) is missing",cat tables/openi-cv/table.txt)

$(CV_SETS:%=data/%/manifest.csv): data/openi-fold-%/manifest.csv: | data/openi/manifest.csv
	$(prepare_openi) fold=$*/$(words $(CV_FOLDS))

$(CV_SETS:%=data/%/vocab/embeddings.npy): data/%/vocab/embeddings.npy: data/%/manifest.csv
	$(make_vocabulary)

$(CV_SETS:%=data/%/.features): data/%/.features: data/openi/.features data/%/manifest.csv
	ln -sfn ../openi/features $(@D)/features
	touch $@

$(foreach data,$(CV_SETS),$(CV_RUNS:%=runs/$(data)/%/.trained)): runs/%/.trained:
	$(call train,$(notdir $*),$(patsubst %/,%,$(dir $*)))
	touch $@
$(foreach data,$(CV_SETS),$(call needs,$(data),$(CV_RUNS)))

# All runs of the fold are judged, those of earlier goes too.
$(CV_SETS:%=tables/%/.evaluated): tables/openi-fold-%/.evaluated:
	$(BIN)/python eval.py --load $$(ls runs/openi-fold-$*/*/.trained | xargs -n 1 dirname) --data openi-fold-$* --controls \
		--labeller runs/openi-fold-$*/$(LABELLER) --out $(@D) $(EVAL_FLAGS)
	$(BIN)/python -m benchmarks.small_metrics $(@D) benchmarks/openi-cv/fold-$*
	touch $@

tables/openi-cv/metrics.json: $(CV_TABLES)
	$(BIN)/python -m tienet pool $(patsubst %/,%,$(dir $(CV_TABLES))) --out $(@D) $(filter --no-java,$(EVAL_FLAGS))
	$(BIN)/python -m benchmarks.small_metrics $@ benchmarks/openi-cv/pooled.json
