"""How well a run tells images that are no upright frontal chest X-rays from those that are.

    python -m benchmarks.unlike --load runs/openi/classify-0 --data openi --others chests=nih/images

The run's validation images are compared with drawn limbs, natural pictures (those of scikit-learn and Matplotlib),
pydicom's own pictures, and themselves: turned, upside down, inverted and mirrored. The AUROC is of the distance that
`tienet report` gives (`tienet.data.features.image_distribution`); the other column is the share with a note. --others
adds folders of images, such as the chests of another hospital, of which a note is a false alarm.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

from tienet import cli
from tienet.checkpoint.run_folder import open_run
from tienet.data import manifest as manifests
from tienet.data.dicom import read_gray
from tienet.data.features.image_distribution import LIMIT, ImageDistribution, measure
from tienet.data.image import resize
from tienet.errors import InputError
from tienet.inference.predictor import Predictor
from tienet.pages.plain_text import align

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".dcm")
LIMBS = 60
CROPS = 15
"""Of each natural picture, so many pieces of it."""


def main(argv: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", required=True, metavar="RUN")
    parser.add_argument("--data", required=True, metavar="NAME")
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR")
    parser.add_argument("--others", nargs="*", default=[], metavar="TITLE=DIR", help="folders of further images")
    parser.add_argument("--most", type=int, default=150, help="images of each kind (150)")
    args = parser.parse_args(argv)
    run = open_run(args.load)
    distribution = run.image_distribution()
    if distribution is None:
        raise InputError(f"{run.folder}: does not know its training images; tienet calibrate --load {run.folder}")
    data_set, px = manifests.load(args.data, args.data_root), run.config.image_px
    rng = np.random.default_rng(0)
    with Predictor(run, features="cache") as predictor:
        splits = {name: predictor.studies(data_set.split(name)) for name in ("val", "test")}
        known = {
            name: distribution.distances(measure(len(studies), len(studies), studies.image_inputs))
            for name, studies in splits.items()
        }
    paths = _evenly([path for path in data_set.split("val").images if path], args.most)
    chests = [resize(read_gray(path), px) for path in paths]
    sets = {
        "drawn limbs": [draw_limb(rng, px) for _ in range(LIMBS)],
        "natural pictures": [resize(picture, px) for picture in natural_pictures(rng)],
        "pydicom's pictures": [resize(picture, px) for picture in pydicoms_pictures()],
        "turned by 90 degrees": [np.rot90(chest) for chest in chests],
        "turned by 270 degrees": [np.rot90(chest, 3) for chest in chests],
        "turned by 180 degrees": [np.rot90(chest, 2) for chest in chests],
        "black and white inverted": [255 - chest for chest in chests],
        "mirrored": [chest[:, ::-1] for chest in chests],
    }
    for other in args.others:
        title, _, folder = other.partition("=")
        found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
        if not found:
            raise InputError(f"--others {other}: no image in it; expected TITLE=DIR with PNG, JPEG or DICOM files")
        sets[title] = [resize(read_gray(path), px) for path in _evenly(found, args.most)]
    rows = [[f"{args.data}, {name} split", str(len(d)), "", f"{np.mean(d >= LIMIT):.3f}"] for name, d in known.items()]
    for title, images in sets.items():
        distances = _distances(run, distribution, images)
        truth = np.repeat([0, 1], [len(known["val"]), len(distances)])
        auroc = roc_auc_score(truth, np.concatenate([known["val"], distances]))
        rows.append([title, str(len(images)), f"{auroc:.3f}", f"{np.mean(distances >= LIMIT):.3f}"])
        print(f"{title}: {auroc:.3f}", file=sys.stderr)
    print("\n".join(align(["images", "count", "AUROC", "with a note"], rows)))
    return 0


def draw_limb(rng: np.random.Generator, px: int) -> np.ndarray:
    """Two bones that meet at a joint, inside of soft tissue, at any angle: uint8 [px, px]."""
    soft, bones = np.zeros((256, 256), np.float32), np.zeros((256, 256), np.float32)
    joint = tuple(rng.integers(90, 166, 2).tolist())
    ends = [(int(rng.integers(60, 196)), end) for end in (-20, 276)]
    width = rng.uniform(70, 150)
    for end in ends:
        cv2.line(soft, end, joint, 1.0, int(width))
        for offset in [0] if rng.random() < 0.5 else [-width * 0.18, width * 0.18]:
            at = (int(end[0] + offset), end[1]), (int(joint[0] + offset), joint[1])
            cv2.line(bones, *at, 1.0, int(width * rng.uniform(0.15, 0.3)))
    cv2.circle(bones, joint, int(width * 0.3), 1.0, -1)
    picture = 0.35 * cv2.GaussianBlur(soft, (0, 0), 6) + 0.5 * cv2.GaussianBlur(bones, (0, 0), 2.5)
    turn = cv2.getRotationMatrix2D((128, 128), rng.uniform(0, 360), 1)
    picture = cv2.warpAffine(picture, turn, (256, 256)) + rng.normal(0, 0.02, picture.shape)
    return resize(np.clip(255 * picture, 0, 255).astype(np.uint8), px)


def natural_pictures(rng: np.random.Generator) -> Iterable[np.ndarray]:
    """Photographs that come with scikit-learn and Matplotlib, and pieces of the former: grey, uint8 [h, w]."""
    import matplotlib
    from sklearn.datasets import load_sample_images

    for colours in load_sample_images().images:
        grey = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
        yield grey
        for _ in range(CROPS):
            side = int(rng.integers(100, 400))
            top, left = (int(rng.integers(0, length - side)) for length in grey.shape)
            yield grey[top : top + side, left : left + side]
    for path in sorted((Path(matplotlib.get_data_path()) / "sample_data").glob("*.[jp][pn]g")):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is not None:
            yield grey


def pydicoms_pictures() -> Iterable[np.ndarray]:
    """Pydicom's files that can be read: slices, ultrasound, screen captures. None of them is a chest X-ray."""
    import pydicom

    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")):
        try:
            yield read_gray(path)
        except InputError:
            continue


def _distances(run, distribution: ImageDistribution, images: list[np.ndarray]) -> np.ndarray:
    from tienet.modeling.backbone import FeatureExtractor

    config = run.config
    with FeatureExtractor(run.backbone_weights(), config.backbone_end, config.image_px) as extract:
        stack = np.ascontiguousarray(np.stack(images))
        return distribution.distances(measure(len(images), len(images), lambda positions: extract(stack[positions])))


def _evenly(paths: list[Path], most: int) -> list[Path]:
    return [paths[n] for n in np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int))]


if __name__ == "__main__":
    cli.run(main)
