"""Package metadata. TensorFlow comes with an extra, so that either build satisfies it: `.[cpu]` or `.[gpu]`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

TENSORFLOW = ">=2.15,<2.22"
HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"', (HERE / "tienet" / "__init__.py").read_text(encoding="utf-8"), re.M)[1]

setup(
    name="tienet",
    version=VERSION,
    description="TieNet (Wang et al., CVPR 2018): chest X-ray labels from image and report, on TensorFlow",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["tienet", "tienet.*"]),
    package_data={
        "tienet": ["py.typed"],
        "tienet.pages": ["templates/*"],
        "tienet.datasets.description": ["templates/*"],
        "tienet.datasets.openi": ["*.csv"],
        "tienet.hand_labels": ["templates/*"],
        "tienet.server": ["static/*"],
    },
    entry_points={"console_scripts": ["tienet = tienet.commands.main:main"]},
    python_requires=">=3.10,<3.14",
    install_requires=[
        "tensorpack==0.11",
        "gensim>=4.3",
        "numpy>=1.26",
        "opencv-python>=4.8",
        "scikit-learn>=1.3",
        "pycocoevalcap>=1.2",
        "pandas>=2.0",
        "defusedxml>=0.7",
        "fastapi>=0.115.3",
        "h5py>=3.10",
        "matplotlib>=3.7",
        "pillow>=10",
        "pydicom>=3.0.2",
        "pyjpegls>=1.4",
        "pylibjpeg>=2.0",
        "pylibjpeg-openjpeg>=2.4",
        "python-gdcm>=3.0.24",
        "python-multipart>=0.0.18",
        "scipy>=1.11",
        "shtab>=1.7",
        "tqdm>=4.60",
        "uvicorn>=0.30",
    ],
    extras_require={
        "cpu": [f"tensorflow-cpu{TENSORFLOW}"],
        "gpu": [f"tensorflow[and-cuda]{TENSORFLOW}"],
        "clinical": ["fhir.resources>=8,<9", "highdicom>=0.28,<0.29"],
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
        "parquet": ["pyarrow>=15"],
        "test": [
            "filelock>=3.12",
            "httpx>=0.27",
            "hypothesis>=6",
            "import-linter>=2.7",
            "playwright>=1.40",
            "psutil>=5.9",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.6",
            "schemathesis>=4",
        ],
    },
)
