#!/usr/bin/env bash
# Make data/NAME/vocab: the words of the training reports and their vectors. See: bash data_prep/build_vocab.sh --help
# Python is $PYTHON, else the active environment's, else the checkout's .venv, else python3.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

if [[ -n ${PYTHON:-} ]]; then
    python=$PYTHON
elif [[ -n ${VIRTUAL_ENV:-} && -x $VIRTUAL_ENV/bin/python ]]; then
    python=$VIRTUAL_ENV/bin/python
elif [[ -x $root/.venv/bin/python ]]; then
    python=$root/.venv/bin/python
else
    python=python3
fi

exec env PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" "$python" "$root/data_prep/build_vocab.py" "$@"
