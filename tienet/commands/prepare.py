"""Make data/NAME/manifest.csv, the table of a data set's studies, from the files that its publisher gives.

    tienet prepare phantom --out data/phantom

The images stay where they are, except those of phantom, which are drawn, and those of folder, which are converted.
"""

from tienet.commands.subcommand import Subcommand

COMMANDS: dict[str, Subcommand] = {
    "phantom": Subcommand("tienet.datasets.phantom.prepare", "drawn chests with lesions at known places, and reports"),
    "openi": Subcommand("tienet.datasets.openi.prepare", "OpenI, Indiana University's chest X-rays with reports"),
    "chestxray14": Subcommand("tienet.datasets.chestxray14.prepare", "ChestX-ray14 of the NIH, which has no reports"),
    "mimic-cxr": Subcommand("tienet.datasets.mimic_cxr.prepare", "MIMIC-CXR and MIMIC-CXR-JPG of PhysioNet"),
    "padchest": Subcommand(
        "tienet.datasets.padchest.prepare", "PadChest's reports that physicians labelled, in Spanish"
    ),
    "folder": Subcommand("tienet.datasets.folder.prepare", "a folder of X-rays of your own, with reports or labels"),
}
