"""Findings and impression cut out of reports: the forms that MIMIC-CXR has (texts made up), and properties."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tienet.data.text import report_text
from tienet.datasets.mimic_cxr.sections import CUTS, EMPTY, HEADINGS, LAST_PARAGRAPHS, WHOLE_TEXT, Sections, sections

TITLE = "                                 FINAL REPORT\n"
RULE = " " + "_" * 78 + "\n"

FULL = f"""{TITLE} EXAMINATION:  CHEST (PA AND LAT)
 
 INDICATION:  History: ___M with shortness of breath  // eval for pneumonia
 
 TECHNIQUE:  Chest PA and lateral
 
 COMPARISON:  ___
 
 FINDINGS: 
 
 Heart size is normal.  The lungs are
 clear without focal consolidation.
 
 IMPRESSION: 
 
 1.  No acute cardiopulmonary process.
 2.  Stable port.
"""  # noqa: W291, W293  as PhysioNet has it


def cut(text: str) -> tuple[str, str, str]:
    found = sections(text)
    return found.findings, found.impression, found.cut


def test_a_report_with_all_sections():
    findings = "Heart size is normal. The lungs are clear without focal consolidation."
    impression = "1. No acute cardiopulmonary process. 2. Stable port."
    assert sections(FULL) == Sections(findings, impression, HEADINGS)
    assert report_text(findings, impression) == f"findings : {findings} impression : {impression}"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(end):
    assert sections(FULL.replace("\n", end)) == sections(FULL)


@pytest.mark.parametrize(
    ("text", "findings", "impression"),
    [
        (" FINDINGS: Clear.\n", "Clear.", ""),
        (" IMPRESSION: Clear.\n", "", "Clear."),
        (" FINDINGS:Clear.\n IMPRESSION:1. Normal.\n", "Clear.", "1. Normal."),
        ("FINDINGS:\nClear.\nIMPRESSION:\nNormal.", "Clear.", "Normal."),
        (" FINDINGS :  Clear.\n", "Clear.", ""),
        ("\tFINDINGS:\tClear.\n", "Clear.", ""),
        (" FINDINGS\n Clear.\n\n IMPRESSION\n Normal.\n", "Clear.", "Normal."),
        (" Findings: Clear.\n Impression: Normal.\n", "Clear.", "Normal."),
        (" IMPRESSION: Normal.\n\n FINDINGS: Clear.\n", "Clear.", "Normal."),  # impression first
        (" CONCLUSION: Normal.\n", "", "Normal."),
        (" FINDINGS AND IMPRESSION: Clear.\n", "", "Clear."),
        (" FINDINGS/IMPRESSION: Clear.\n", "", "Clear."),
        (" FINDINGS/ IMPRESSION:\n Clear.\n", "", "Clear."),
        (" IMPRESSION AND RECOMMENDATION(S): Clear.\n", "", "Clear."),
        (" FINDINDGS: Clear.\n IMPRESSON: Normal.\n", "Clear.", "Normal."),
        (" FINDINGS: ___ is clear. ___\n", "___ is clear. ___", ""),
        (" FINDINGS: Clear.\n\n\n\n Heart normal.\n", "Clear. Heart normal.", ""),
        (" FINDINGS: Clear.\n\n No effusion. Impression of stable disease.\n", "Clear. No effusion. Impression of"
         " stable disease.", ""),
    ],
)  # fmt: skip
def test_headings(text, findings, impression):
    assert cut(text) == (findings, impression, HEADINGS)


@pytest.mark.parametrize(
    "after",
    [
        "NOTIFICATION: Told to Dr. ___ at 9:12 AM.",
        "NOTIFICATIONS:\n Told to Dr. ___.",
        "RECOMMENDATION(S): CT.",
        "RECOMMENDATION: CT.",
        "RECOMMENDATIONS:\n\n CT.",
        "COMMENT: None.",
        "ATTESTATION: I have seen it.",
        "WET READ: ___ 9:12 PM\n No pneumothorax.",
        "WET READ:\n IMPRESSION OF MINE",
        "WET READ\n No pneumothorax.",
        "ADDENDUM: Seen again.",
        "FINAL ADDENDUM\n Seen again.",
        "COMPARISON: ___.",
        "COMPARSION: ___.",
        "TECHNIQUE: AP.",
        "REASON FOR EXAM: Cough.",
    ],
)
@pytest.mark.parametrize("before", [" FINDINGS: Clear.\n IMPRESSION: Normal.\n", " IMPRESSION: Normal.\n"])
def test_other_sections_end_the_impression(before, after):
    assert cut(f"{before}\n {after}\n")[1:] == ("Normal.", HEADINGS)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("PICC LINE: in place.", "PICC LINE: in place."),  # no heading that is known
        ("LUNGS: Clear.", "LUNGS: Clear."),
        ("HEART AND MEDIASTINUM: Normal.", "HEART AND MEDIASTINUM: Normal."),
        ("AP CHEST: Clear.", "AP CHEST: Clear."),
        ("AT 10:30 no change.", "AT 10:30 no change."),
        ("EXAM AT 10:30 no change.", "EXAM AT 10:30 no change."),
        ("impression: of a nodule.", "impression: of a nodule."),
        ("IMPRESSION OF A NODULE.", "IMPRESSION OF A NODULE."),
        ("There is an IMPRESSION: none.", "There is an IMPRESSION: none."),
        ("The findings: a nodule.", "The findings: a nodule."),
        ("COMPRESSION: of T8.", "COMPRESSION: of T8."),
        ("THE ABOVE FINDINGS WERE SEEN BY THE DOCTOR: yes.", "THE ABOVE FINDINGS WERE SEEN BY THE DOCTOR: yes."),
        ("Compared to ___: unchanged.", "Compared to ___: unchanged."),
        ("1. FINDINGS: none.", "1. FINDINGS: none."),
        ("_" * 40, ""),  # a line across the page
    ],
)
@pytest.mark.parametrize("heading", ["FINDINGS", "IMPRESSION"])
def test_what_does_not_cut(heading, line, kept):
    text = f" {heading}: Before.\n {line}\n After.\n"
    expected = " ".join(f"Before. {kept} After.".split())
    assert expected in cut(text)[:2] and "" in cut(text)[:2]


def test_findings_before_an_impression_without_a_heading():
    text = f"{TITLE} FINDINGS:  Clear.\n \n No acute process.\n \n NOTIFICATION: Told.\n"
    assert cut(text) == ("Clear. No acute process.", "", HEADINGS)


def test_findings_in_two_columns():
    text = " FINDINGS:\n LUNGS:      Clear        HEART:  Normal\n PLEURA:     No effusion  BONES:  Intact\n"
    assert cut(text)[0] == "LUNGS: Clear HEART: Normal PLEURA: No effusion BONES: Intact"


def test_organs_without_the_heading_findings():
    text = " EXAMINATION: CHEST\n LUNGS: Clear.\n HEART: Normal.\n IMPRESSION: Normal.\n"
    assert cut(text) == ("LUNGS: Clear. HEART: Normal.", "Normal.", HEADINGS)


@pytest.mark.parametrize(
    "heading",
    ["CHEST, TWO VIEWS", "PORTABLE AP CHEST", "PA AND LATERAL VIEWS OF THE CHEST", "CHEST RADIOGRAPH, ___",
     "AP AND LATERAL", "CHEST, 2 VIEWS"],
)  # fmt: skip
def test_a_heading_that_names_the_film_starts_the_findings(heading):
    assert cut(f" HISTORY: Pain.\n\n {heading}: Clear.\n\n IMPRESSION: Normal.\n") == ("Clear.", "Normal.", HEADINGS)


def test_a_film_below_the_heading_findings_is_a_heading_too():
    assert cut(" FINDINGS:\n\n AP CHEST: Clear.\n") == ("Clear.", "", HEADINGS)


def test_a_film_as_the_title_is_no_section():
    text = f"{TITLE} CHEST, PA AND LATERAL:\n \n INDICATION:  Pain.\n \n FINDINGS: Clear.\n"
    assert cut(text) == ("Clear.", "", HEADINGS)


def test_a_ct_in_the_comparison_is_no_film():
    assert cut(" COMPARISON:\n CHEST CT: ___.\n\n IMPRESSION: Normal.\n") == ("", "Normal.", HEADINGS)


def test_the_last_section_of_a_name_that_has_text():
    text = " FINDINGS: Old.\n IMPRESSION: Old.\n ADDENDUM:  Wrong side.\n FINDINGS: New.\n IMPRESSION:\n"
    assert cut(text) == ("New.", "Old.", HEADINGS)


def test_a_wet_read_before_the_final_report():
    text = f" WET READ: ___ ___ 9:12 PM\n  IMPRESSION: Wet.\n FINDINGS: Wet.\n{RULE}{TITLE}"
    assert cut(f"{text} IMPRESSION:  Dry.\n") == ("", "Dry.", HEADINGS)
    assert cut(f"{text} AP chest: dry.\n") == ("AP chest: dry.", "", WHOLE_TEXT)
    assert cut(text) == ("Wet.", "Wet.", HEADINGS)  # nothing follows


@pytest.mark.parametrize("heading", ["PROVISIONAL FINDINGS IMPRESSION (PFI)", "PRELIMINARY IMPRESSION", "WET READ"])
def test_a_provisional_reading_is_not_the_impression(heading):
    assert cut(f" IMPRESSION: Normal.\n {heading}: Nodule.\n") == ("", "Normal.", HEADINGS)


def test_final_report_again_on_the_next_page():
    assert cut(f"{TITLE} FINDINGS: Clear.\n{RULE}{TITLE} Heart normal.\n")[0] == "Clear. Heart normal."


@pytest.mark.parametrize("heading", ["HISTORY", "INDICATION", "COMPARISON", "REASON FOR EXAMINATION"])
@pytest.mark.parametrize(
    "after", ["", " RECOMMENDATION(S): CT.\n", " NOTIFICATION: Told.\n\n At noon.\n", " IMPRESSION:\n"]
)
def test_the_report_below_another_heading(heading, after):
    body = "PA and lateral chest compared to ___:\n \n Clear.\n Normal.\n"
    assert cut(f"{TITLE} {heading}: Pain,\n fever.\n \n {body} \n{after}") == (
        "PA and lateral chest compared to ___: Clear. Normal.",
        "",
        LAST_PARAGRAPHS,
    )


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (f"{TITLE} PA and lateral chest, ___.\n \n Clear.\n", "PA and lateral chest, ___. Clear."),
        (" HISTORY: Pain.\n\n Fever.\n\n COMPARISON: None. Clear.\n", "HISTORY: Pain. Fever. COMPARISON: None. Clear."),
        ("Clear.", "Clear."),
        (" RECOMMENDATION(S): Clear.\n", "RECOMMENDATION(S): Clear."),
        (f" WET READ: Clear.\n{RULE}{TITLE}", "WET READ: Clear."),
    ],
)
def test_the_whole_text_where_nothing_else_is_found(text, whole):
    assert cut(text) == (whole, "", WHOLE_TEXT)


@pytest.mark.parametrize("text", ["", " \n\r\n ", TITLE, RULE, " FINDINGS:\n\n IMPRESSION:\n", "COMPARISON:"])
def test_no_text(text):
    assert cut(text) == ("", "", EMPTY)


def test_a_long_text_takes_no_long_time():
    # A minute or more if any step were quadratic.
    for unit in (
        "A" * 50,
        "FINDINGS",
        "A ",
        "(:",
        " _",
        "FINDINGS: x\n",
        "A" * 12 + "IMPRESSION:\n",
        "LUNGS: x\n",
        "\nVIEW:",
    ):
        sections(unit * 20_000)


# ---- properties ----

OF_TESTS = settings(derandomize=True, max_examples=80, deadline=None)
HEADING = st.sampled_from([
    "FINDINGS:", "IMPRESSION:", "Findings:", "CONCLUSION:", "COMPARISON:", "WET READ:", "FINAL REPORT", "ADDENDUM:",
    "CHEST, TWO VIEWS:", "LUNGS:", "PICC LINE:", "RECOMMENDATION(S):", "FINDINGS AND IMPRESSION:", "_" * 40, "___", "",
])  # fmt: skip
SENTENCE = st.lists(
    st.sampled_from(["clear", "Impression:", "findings:", "___", "1.", "x", "FINDINGS", ":"]), max_size=5
)
LINE = st.tuples(st.sampled_from(["", " ", "\t", "      "]), HEADING, SENTENCE)
REPORT = st.lists(LINE.map(lambda line: line[0] + line[1] + " " + " ".join(line[2])), max_size=12).map("\n".join)
ANY_TEXT = st.one_of(REPORT, st.text())
WORDS = st.lists(st.sampled_from(["clear", "no", "edema.", "___", "Impression:", "and", "(x)"]), min_size=1, max_size=8)


def in_order(words: list[str], text: str) -> bool:
    at = 0
    for word in words:
        at = text.find(word, at)
        if at < 0:
            return False
        at += len(word)
    return True


@OF_TESTS
@given(ANY_TEXT)
@example("FINDINGS:\x1cIMPRESSION:\u2028x\x0cFINDINGS:y")
def test_never_raises_and_takes_all_words_from_the_text_in_order(text):
    found = sections(text)
    assert found.cut in CUTS and (found.cut == EMPTY) == (not found.findings and not found.impression)
    for part in (found.findings, found.impression):
        assert part == " ".join(part.split()) and in_order(part.split(), text)


@OF_TESTS
@given(ANY_TEXT)
def test_its_own_sections_are_cut_to_themselves(text):
    first = sections(text)
    again = sections(f"FINDINGS: {first.findings}\nIMPRESSION: {first.impression}\n")
    assert (again.findings, again.impression) == (first.findings, first.impression)


@OF_TESTS
@given(ANY_TEXT, st.sampled_from(["\r\n", "\r"]), st.integers(0, 9))
def test_line_ends_and_indentation_do_not_matter(text, end, indent):
    lines = text.splitlines()
    again = end.join(" " * indent + line + " " for line in lines)
    assert sections(again) == sections("\n".join(lines))


@OF_TESTS
@given(WORDS, WORDS, st.integers(0, 40), st.sampled_from(["", " ", "\n", "\n \n "]),
       st.sampled_from([("FINDINGS:", "IMPRESSION:"), ("Findings:", "Impression:"), ("FINDINGS :", "CONCLUSION:"),
                        ("FINDING:", "IMPRESSIONS:"), ("FINDINGS:", "IMPRESSION  :")]),
       st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_any_spelling_of_the_headings(findings, impression, indent, gap, headings, end):
    parts = zip(headings, (findings, impression), strict=True)
    text = "".join(f"{' ' * indent}{heading}{gap}{' '.join(['A', *words])}\n" for heading, words in parts)
    expected = Sections(" ".join(["A", *findings]), " ".join(["A", *impression]), HEADINGS)
    assert sections((TITLE + " TECHNIQUE: AP.\n" + text).replace("\n", end)) == expected


@OF_TESTS
@given(WORDS, st.sampled_from(["IMPRESSION:", "FINDINGS:", "COMPARISON:", "WET READ:", "FINAL REPORT"]), WORDS)
def test_a_heading_inside_a_line_cuts_nothing(before, heading, after):
    line = " ".join(["Seen", *before, heading, *after])
    assert sections(f" FINDINGS:\n {line}\n") == Sections(line, "", HEADINGS)
