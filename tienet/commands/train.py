"""Train TieNet on a data set.

    tienet train --mode annotate --data ours --preset openi            # into runs/ours-annotate
    tienet train --mode report --data ours --preset openi --epochs 8 --set alpha=0.25 --logdir runs/report
    tienet train --resume --data ours --preset openi --logdir runs/report --mode report --epochs 12
    tienet train --mode report --data ours --preset openi --load runs/caption --vocab runs/caption --logdir runs/second
    tienet train --train-on train+val --epochs-of runs/report --logdir runs/report-both     # as the paper's section 5.1
    tienet train --gpu 0,1,2,3 --mode annotate                         # ChestX-ray14 with the paper's settings
    tienet train --data phantom --preset openi --gpu cpu --backbone-weights random    # a trial: no GPU, no weights

Modes are annotate (image and report to labels), annotate-text (report to labels), classify (image to labels), caption
(image to report) and report (image to report and labels). Each epoch is evaluated on the validation split, and the best
checkpoint is kept. Ctrl-C leaves a checkpoint. The command evaluate judges a run on the test split. With --train-on
train+val nothing is left to validate by: it trains as long as the best checkpoint of the run that --epochs-of names,
with that run's settings, and has that run's thresholds and temperatures.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path

from tienet.checkpoint.earlier_run import BOTH, TRAIN, EarlierRun
from tienet.commands.flags import choose_gpus, start_tensorflow
from tienet.config import CHOICES, PRESETS, PRESETS_BY_MODE, Config, preset
from tienet.data.batch_split import check_halves
from tienet.distributed.cluster import Cluster
from tienet.errors import InputError
from tienet.folders import contents
from tienet.interruption import Interruption
from tienet.modes import MODES
from tienet.training.places import Parallelism, Places
from tienet.training.started import DEFAULT_PRESET, MAY_CHANGE, settings_to_compare

SETTING_OF_FLAG = {
    "mode": "mode", "data": "data", "backbone_end": "backbone_end", "image_px": "image_px", "batch": "batch",
    "epochs": "epochs", "lr": "learning_rate", "seed": "seed", "features": "features",
    "feature_dtype": "feature_dtype", "backbone_dtype": "backbone_dtype",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags; settings that are not given stay None."""

    def add(flag: str, help_text: str, **options: object) -> None:
        """Add a flag, with the value that it has without being given: the paper's, and other presets'."""
        parser.add_argument(
            flag, help=f"{help_text} ({defaults_text(SETTING_OF_FLAG[flag[2:].replace('-', '_')])})", **options
        )

    parser.add_argument("--mode", choices=MODES, help="what is trained (annotate)")
    parser.add_argument(
        "--data", metavar="NAME|DIR|FILE", help="NAME of data/NAME, its folder, or a manifest (chestxray14)"
    )
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR", help="folder of the data sets (data)")
    parser.add_argument("--preset", choices=PRESETS, help="settings that go together, see below (paper)")
    parser.add_argument("--gpu", default="0", metavar="LIST", help="GPUs, such as 0 or 0,1,2,3, or cpu (0)")
    parser.add_argument(
        "--backbone-weights", metavar="FILE",
        help="ResNet-50 weights, or a run, whose are taken; 'random' for untrained ones (pretrained/resnet50.npz)",
    )  # fmt: skip
    add("--backbone-end", "last layer of the frozen ResNet-50", choices=CHOICES["backbone_end"])
    add("--backbone-dtype", "what the ResNet-50 computes in", choices=CHOICES["backbone_dtype"])
    add("--image-px", "images are resized to N x N pixels", type=int, metavar="N")
    add("--batch", "studies per update", type=int, metavar="N")
    parser.add_argument(
        "--tower-batch", type=int, metavar="N",
        help="studies on a GPU at a time; a smaller number than its share accumulates gradients (all of its share)",
    )  # fmt: skip
    add("--epochs", "at most", type=int, metavar="N")
    add("--lr", "learning rate of Adam", type=float, metavar="X")
    add("--seed", "of weights, batch order and dropout", type=int, metavar="N")
    parser.add_argument("--vocab", type=Path, metavar="DIR", help="vocabulary's folder, or a run (data/NAME/vocab)")
    parser.add_argument("--logdir", type=Path, metavar="DIR", help="the run's folder (runs/NAME-MODE)")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --logdir; start it if it has no checkpoint yet"
    )
    parser.add_argument("--load", metavar="DIR|FILE", help="start from the weights of a run or checkpoint")
    parser.add_argument("--train-on", choices=(TRAIN, BOTH), help="the splits that are learnt from (train)")
    parser.add_argument(
        "--epochs-of", metavar="RUN",
        help="with --train-on train+val: a run on train alone, whose settings and number of epochs are taken",
    )  # fmt: skip
    parser.add_argument(
        "--leak-check", type=Path, nargs="+", default=[], metavar="FILE",
        help="only say how many test studies of other splits (manifest, table, list, R2Gen's JSON) are in training",
    )  # fmt: skip
    add("--features", "backbone outputs are computed once (cache), or at each step (off)", choices=CHOICES["features"])
    add("--feature-dtype", "how the cache keeps them; int8 is half as large", choices=CHOICES["feature_dtype"])
    parser.add_argument(
        "--profile", action="store_true", help="trace three steps: what they cost goes to LOGDIR/profile"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting, see below; may be repeated"
    )
    several = parser.add_argument_group("several processes, on one machine or on many (or by TF_CONFIG)")
    several.add_argument("--workers", metavar="LIST", help="host:port,host:port,...; the first is the chief")
    several.add_argument("--task", type=int, metavar="N", help="which of --workers this process is, from 0")
    several.add_argument(
        "--peer-timeout",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds until a silent worker is lost (60; five times that at the start)",
    )
    parser.epilog = settings_text()


def defaults_text(name: str) -> str:
    """The value that a setting has by default, and by each preset, such as "50; openi: 18; openi, classify: 10"."""
    texts = [_as_typed(getattr(Config(), name))]
    for name_of_preset, settings in PRESETS.items():
        by_mode = PRESETS_BY_MODE.get(name_of_preset, {})
        texts += [f"{name_of_preset}: {_as_typed(settings[name])}"] if name in settings else []
        texts += [f"{name_of_preset}, {mode}: {_as_typed(own[name])}" for mode, own in by_mode.items() if name in own]
    return "; ".join(texts)


def settings_text() -> str:
    """What the presets set, and every setting with its default, as a text for the end of the help."""
    parts = []
    for name, settings in PRESETS.items():
        if settings:
            parts.append(_paragraph(f"--preset {name}:", settings))
        for mode, own in PRESETS_BY_MODE.get(name, {}).items():
            parts.append(_paragraph(f"--preset {name} --mode {mode}, in addition:", own))
    flags = {*SETTING_OF_FLAG.values()}
    others = {field.name: getattr(Config(), field.name) for field in fields(Config) if field.name not in flags}
    parts.append(_paragraph("--set takes these, here with the values of preset paper:", others))
    parts.append("tienet/config.py says what each of them is.")
    return "\n\n".join(parts)


def _paragraph(heading: str, settings: Mapping[str, object]) -> str:
    words = " ".join(f"{name}={_as_typed(value)}" for name, value in settings.items())
    indent = "  "
    lines = textwrap.wrap(words, 78, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join([heading, *lines])


def _as_typed(value: object) -> str:
    """A setting's value as --set takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def settings_of(args: argparse.Namespace) -> dict[str, object]:
    """The settings that were given by a flag of their own, by name."""
    given = {flag: getattr(args, flag) for flag in SETTING_OF_FLAG}
    return {SETTING_OF_FLAG[flag]: value for flag, value in given.items() if value is not None}


def texts_of(args: argparse.Namespace) -> dict[str, str]:
    """The settings that were given by --set KEY=VALUE, as text, by name. Raises InputError if there is no "="."""
    pairs = [text.partition("=") for text in args.set]
    for key, equals, _ in pairs:
        if not equals:
            raise InputError(f"--set {key}: expected KEY=VALUE, such as --set penalty=0.03")
    return {key: value for key, _, value in pairs}


def resumed_config(logdir: Path, wanted: Config, given: set[str]) -> Config:
    """The config with which the run in `logdir` goes on: its own, config.json; `wanted` if there is no run yet.

    Args:
        logdir: The run's folder.
        wanted: The config that the command line asks for.
        given: Names of the settings that the command line gives; their values must be those of the run.
    Raises:
        InputError: A given value differs, and it is not of a setting in `MAY_CHANGE`.
    """
    if not (logdir / "config.json").is_file():
        return wanted
    config = Config.load(logdir / "config.json")
    for name in [field.name for field in fields(Config) if field.name in given]:  # in this order the mode comes first
        value = getattr(wanted, name)
        if value == getattr(config, name):
            continue
        if name not in MAY_CHANGE:
            raise _differs(logdir, name, getattr(config, name), value)
        config = config.replace(**{name: value})
    return config


def mode_of(args: argparse.Namespace, texts: dict[str, str]) -> str:
    """The mode that is given; without one that of the run that is resumed, or the default's.

    Raises:
        InputError: The run that is resumed has another mode than the one that is given.
    """
    given = args.mode or texts.get("mode")
    if args.resume and args.logdir and (args.logdir / "config.json").is_file():
        mode = Config.load(args.logdir / "config.json").mode
        if given not in (None, mode):
            raise _differs(args.logdir, "mode", mode, given)
        return mode
    return given or Config.mode


def _differs(logdir: Path, name: str, value: object, wanted: object) -> InputError:
    """The error for a setting that a resumed run has with another value."""
    return InputError(
        f"{logdir}: was trained with {name}={value!r}, not {wanted!r}; a resumed run keeps its settings (except "
        f"{', '.join(MAY_CHANGE)}); leave it out or start a new run"
    )


def default_logdir(config: Config, both: bool = False) -> Path:
    """The run's folder where --logdir is not given: runs/NAME-MODE, or of both splits runs/NAME-MODE-train+val.

    NAME is the data set's.
    """
    from tienet.data.manifest import name_of

    return Path("runs") / f"{name_of(config.data) or 'manifest'}-{config.mode}{f'-{BOTH}' if both else ''}"


def chosen(args: argparse.Namespace) -> tuple[Config, Path, EarlierRun | None, list[str]]:
    """What the flags choose.

    Returns:
        The settings; the run's folder; the run that `--epochs-of` names or a resumed run was started with; notes.
    Raises:
        InputError: The flags do not fit each other, the run that is resumed or the one that `--epochs-of` names.
    """
    from tienet.training import train_on

    flags, texts, notes = settings_of(args), texts_of(args), []
    named = args.preset or DEFAULT_PRESET
    if args.epochs_of is not None:
        if args.train_on != BOTH:
            raise InputError(f"--epochs-of {args.epochs_of}: is for --train-on {BOTH}; give that too")
        run, earlier = train_on.open_earlier(args.epochs_of)
        config, earlier, notes = train_on.config_after(run, earlier, flags, texts, named)
        logdir, given = args.logdir or default_logdir(config, both=True), {*flags, *texts}
        earlier = train_on.as_recorded(logdir, earlier) if args.resume else earlier
    else:
        config = preset(named, mode_of(args, texts)).with_texts(texts, flags)
        logdir = args.logdir or default_logdir(config, args.train_on == BOTH)
        earlier = train_on.recorded(logdir) if args.resume else None
        given = {*flags, *texts}
        if args.resume and args.preset:
            given |= settings_to_compare(logdir, args.preset, config.mode)
        if earlier is not None:
            train_on.check_resumed(logdir, args.train_on, {*flags, *texts})
            given -= {*train_on.OF_THE_EARLIER_RUN, "lr_drop_at"}
        elif args.train_on == BOTH:
            what = "a run with these settings that was trained on train alone, to know for how many epochs"
            raise InputError(f"--train-on {BOTH}: give --epochs-of RUN, {what}")
    if config.features == "off" and "feature_dtype" in flags.keys() | texts.keys():
        raise InputError(f"feature_dtype={config.feature_dtype} has no effect: --features off keeps none; leave it out")
    return resumed_config(logdir, config, given) if args.resume else config, logdir, earlier, notes


def run(args: argparse.Namespace) -> int:
    """Build a Config from the flags and train; with --leak-check, only count the studies that leak."""
    config, logdir, earlier, notes = chosen(args)
    if args.leak_check:
        from tienet.data import leaks, manifest

        print(*leaks.leak_report(manifest.load(config.data, args.data_root), args.leak_check), sep="\n")
        return 0
    if not args.peer_timeout > 0:
        raise InputError(f"--peer-timeout {args.peer_timeout:g}: expected a number of seconds above 0")
    cluster = Cluster.from_arguments(args.workers, args.task)
    check_halves(config, args.tower_batch or config.batch)

    backbone = args.backbone_weights or (args.epochs_of if config.mode_parts.image else None)
    places = Places(args.data_root, logdir, args.vocab, backbone, logdir / "profile" if args.profile else None)
    parallelism = Parallelism(args.tower_batch, cluster, args.peer_timeout)
    with Interruption() as interruption, ExitStack() as stack:
        if cluster.is_chief:  # the other workers write nothing there
            stack.enter_context(contents.writing(logdir, contents.RUN, "--logdir"))
        from tienet.training.inputs import check_parts, open_inputs, split_batch

        inputs = open_inputs(config, places, args.resume, args.load, cluster.is_chief, earlier)
        inputs = replace(inputs, preset=args.preset or (None if earlier else DEFAULT_PRESET))
        for note in notes if cluster.is_chief else ():
            print(f"note: {note}", file=sys.stderr)
        gpus = choose_gpus(args.gpu)
        check_parts(inputs, config, split_batch(config, parallelism, gpus))
        start_tensorflow()
        from tienet.evaluation.calibrate import calibrate_after_training
        from tienet.training import ranking, train
        from tienet.training.card.write import write_after_training

        train.train(config, places, gpus, args.resume, args.load, parallelism, interruption, inputs)
        if cluster.is_chief:
            if inputs.has_thresholds:
                calibrate_after_training(logdir, args.data_root)
            elif config.mode_parts.classifies:
                print(f"note: {logdir}: not calibrated: in the val split {ranking.NO_AUC}", file=sys.stderr)
            write_after_training(logdir, inputs.manifest, sys.argv)
    print(logdir)
    return 0
