"""What the documents name is there: files, links, functions, modules, and the flags of every command."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tienet.commands.main import top_parser

MAX_README_LINES = 170
FOLDERS = ("tienet", "benchmarks", "pretrained", "data_prep", "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
OF_REPOSITORY = (".py", ".sh", ".md", ".cff")
MADE_BY_USERS = ("NAME", "results/")  # parts of paths that are not in the repository

FENCE = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"(?:^|[\s\"])(tienet (?=[a-z-])|python [\w/]+\.py|python -m [\w.]+|bash [\w/]+\.sh)(.*)")
BENCHMARK = re.compile(r"python (?:-m )?benchmarks[./](\w+)")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(text: str) -> list[str]:
    return FENCE.findall(text)


def prose(text: str) -> str:
    return FENCE.sub("", text)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {
        slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)
    }


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Each heading with the text under it."""
    heading = ""
    for part in re.split(r"^(#+ .*)$", text, flags=re.MULTILINE):
        if part.startswith("#"):
            heading = part.lstrip("# ")
        else:
            yield heading, part


def is_of_repository(name: str) -> bool:
    if not re.fullmatch(r"[\w./*-]+", name) or any(part in name for part in MADE_BY_USERS):
        return False
    return name.endswith(OF_REPOSITORY) or (name.endswith("/") and name.partition("/")[0] in FOLDERS)


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@each_document
def test_links_resolve(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(document.read_text(encoding="utf-8")))
    for target in targets:
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_every_picture_is_shown_somewhere():
    texts = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert [path.name for path in (ROOT / ".github").glob("*.png") if f".github/{path.name})" not in texts] == []


@each_document
def test_files_in_backticks_are_there(document):
    """A name is relative to the checkout, to the document, or to the room that is the section's heading."""
    for heading, text in sections(prose(document.read_text(encoding="utf-8"))):
        for name in filter(is_of_repository, re.findall(r"`([^`\n]+)`", text)):
            folders = [ROOT, document.parent, document.parent / heading if heading.endswith("/") else ROOT]
            anywhere = "/" not in name and any(ROOT.glob(f"{folder}/**/{name}") for folder in FOLDERS)
            assert anywhere or any(any(folder.glob(name)) for folder in folders), f"{name} ({heading})"


def test_functions_that_the_map_names_are_there():
    found = re.findall(r"`(tienet/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", (ROOT / "tienet/README.md").read_text("utf-8"))
    assert len(found) >= 5
    for path, names in found:
        source = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert f"def {name}(" in source, f"{path}: {name}"


def test_the_map_has_a_line_for_every_module():
    _, _, text = (ROOT / "tienet/README.md").read_text(encoding="utf-8").partition("## Every module")
    named = set()
    for heading, part in sections(text):
        room = heading if heading.endswith("/") else ""
        rows = "\n".join(line for line in part.splitlines() if line.startswith("|"))
        named |= {room + name for name in re.findall(r"`([\w/]+\.py)`", rows)}
    files = {str(path.relative_to(ROOT / "tienet")) for path in (ROOT / "tienet").rglob("*.py")}
    files = {name for name in files if Path(name).name not in ("__init__.py", "__main__.py")}
    assert sorted(named) == sorted(files)


# ---- commands ----


def commands(text: str) -> list[str]:
    """The command lines in a text, without prompts, comments and what follows a quotation mark's end."""
    lines = text.replace("\\\n", " ").splitlines()
    found = (match for line in lines for match in CALL.finditer(re.sub(r"(^|\s)#.*$", "", line)))
    return [(match[1] + match[2]).strip().rstrip('"').rstrip() for match in found]


def words_of(command: str) -> list[str] | None:
    """The words of the `tienet` command that a command line runs; None if it runs something else."""
    if command.startswith("tienet "):
        return shlex.split(command)[1:]
    script, _, rest = re.sub(r"^(python|bash) ", "", command).partition(" ")
    script = script.replace("build_vocab.sh", "build_vocab.py")
    if not script.endswith(".py") or not (ROOT / script).is_file():
        return None
    called = re.search(r"run_script\(\"[^\"]*\", (.*)\)", (ROOT / script).read_text(encoding="utf-8"))
    return [*re.findall(r"\"([^\"]+)\"", called[1]), *shlex.split(rest)] if called else None


def with_values(text: str) -> str:
    """The shell's variables and braces replaced by what they stand for."""
    for name, value in re.findall(r"^(\w+)=\"([^\"]*)\"$", text.replace("\\\n", " "), re.MULTILINE):
        text = text.replace(f"${name}", value)
    for name, value in {"$data": "openi", "$mode": "report", "$workers": "a:1,b:1", "\\$SLURM_PROCID": "0"}.items():
        text = text.replace(name, value)
    return re.sub(r"(\S*)\{([\w,-]+)\}", lambda m: " ".join(m[1] + part for part in m[2].split(",")), text)


@each_document
def test_commands_in_code_blocks_are_parsed(document, capsys):
    parser = top_parser(whole=True)
    for block in blocks(document.read_text(encoding="utf-8")):
        for command in commands(with_values(block)):
            words = words_of(command)
            if words is None:
                continue
            try:
                parser.parse_args(words)
            except SystemExit as end:
                assert end.code == 0, f"{command}: {capsys.readouterr().err}"


@each_document
def test_flags_in_the_text_are_known(document):
    """Commands in backticks are often not whole, so only their flags are looked up."""
    for command in (found for code in inline_code(document) for found in commands(code)):
        words = words_of(command)
        if words is None:
            continue
        known = flags_of(words)
        for flag in (word for word in words if word.startswith("--")):
            assert flag.partition("=")[0] in known, command


@each_document
def test_flags_of_the_benchmarks_are_known(document):
    text = document.read_text(encoding="utf-8")
    for command in [found for code in [*blocks(text), *inline_code(document)] for found in commands(code)]:
        if match := BENCHMARK.match(command):
            modules = {match[1], "run"} if match[1] == "growth" else {match[1]}
            source = "".join((ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8") for name in modules)
            for flag in re.findall(r"--[\w-]+", command):
                assert f'"{flag}"' in source, command


def inline_code(document: Path) -> list[str]:
    return re.findall(r"`([^`]+)`", prose(document.read_text(encoding="utf-8")).replace("\n", " "))


def flags_of(words: list[str]) -> set[str]:
    """The flags of a command, from its parser; those of all commands of a group where none is named."""
    parser = top_parser(whole=True)
    for word in words:
        below = next((action for action in parser._actions if isinstance(action.choices, dict)), None)
        if below is None or word not in below.choices:
            break
        parser = below.choices[word]
    return {flag for action in parser._actions for flag in action.option_strings}


def test_a_wrong_flag_a_wrong_link_and_a_missing_file_would_be_found():
    assert commands("$ tienet train --mode x  # comment\npython eval.py \\\n  --load a") == [
        "tienet train --mode x", "python eval.py    --load a",
    ]  # fmt: skip
    assert words_of("python data_prep/openi.py --out x") == ["prepare", "openi", "--out", "x"]
    assert words_of("bash data_prep/build_vocab.sh --data x") == ["vocabulary", "--data", "x"]
    assert "--leak-check" in flags_of(["train"])
    assert "--labeller" not in flags_of(["train"])
    shell = 'X="--a b"\nrun $X --load r/$data/{a,b-c}'
    assert with_values(shell).splitlines()[1] == "run --a b --load r/openi/a r/openi/b-c"
    assert is_of_repository("tienet/no_such.py")
    assert not is_of_repository("metrics.json")
    assert "what-the-tables-say" in anchors(ROOT / "benchmarks/RESULTS.md")
