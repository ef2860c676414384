"""Settings: defaults, presets, refusals that list the choices, JSON."""

import dataclasses
import json

import pytest

from tienet.config import PRESETS, Config, preset, settings_without_effect
from tienet.errors import InputError
from tienet.modes import MODES


def test_defaults_are_the_papers():
    config = Config()
    assert (config.lstm_units, config.attention_rows, config.attention_hidden) == (256, 5, 2000)
    assert (config.dropout, config.l2, config.learning_rate, config.batch) == (0.5, 1e-4, 1e-3, 32)
    assert (config.penalty, config.lr_drop_at, config.backbone_end) == (1, 1, "res5c")
    assert preset("paper") == config


def test_lin2017():
    assert (preset("lin2017").attention_hidden, preset("lin2017").output_hidden) == (350, 2000)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name):
    assert preset(name)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("batch", "0", "1 or more"),
        ("batch", "2.5", "int"),
        ("batch", "true", "int"),
        ("penalty", "much", "float"),
        ("penalty", "-1", "0 or more"),
        ("dropout", "NaN", "0 to 0.99"),
        ("dropout", "1", "0 to 0.99"),
        ("learning_rate", "0", "above 0"),
        ("learning_rate", "Infinity", "above 0"),
        ("weighted_loss", "yes", "bool"),
        ("backbone_end", "res3d", "res5c or res4f"),
        ("features", "on", "cache or off"),
        ("backbone_dtype", "float16", "float32 or bfloat16"),
        ("mode", "R", "annotate, annotate-text"),
        ("alpha", "0", "a number above 0: mode annotate is there for its labels"),
        ("finding_share", "1", "0 to 0.99"),
        ("sentence_power", "1.5", "0 to 1"),
        ("no_repeat", "1", "2 or more words, or 0"),
        ("image_px", "256", "512 or 1024"),
        ("lr", "1", "learning_rate"),
    ],
)
def test_an_impossible_setting_is_one_line_that_says_what_is_possible(name, text, expected):
    with pytest.raises(InputError) as error:
        Config().with_texts({name: text})
    assert expected in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_given_twice_is_refused():
    with pytest.raises(InputError, match="seed is given twice, as --set seed=2 too"):
        Config().with_texts({"seed": "2"}, {"seed": 1})


def test_texts_become_values():
    config = Config().with_texts({"penalty": ".03", "batch": "16", "weighted_loss": "false", "word_vector_std": "null"})
    assert (config.penalty, config.batch, config.weighted_loss, config.word_vector_std) == (0.03, 16, False, None)
    assert isinstance(Config().with_texts({"l2": "0"}).l2, float)


def test_json_round_trip(tmp_path):
    config = Config().replace(mode="annotate-text", penalty=0.01, word_vector_std=1.0)
    config.save(tmp_path / "config.json")
    assert Config.load(tmp_path / "config.json") == config


def test_a_misspelt_key_in_the_file_fails(tmp_path):
    (tmp_path / "config.json").write_text('{"bacth": 3}')
    with pytest.raises(InputError, match="bacth"):
        Config.load(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="not a JSON file"):
        Config.load(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "not what was written there"),
        ("null", "not what was written there"),
        ("[" * 100_000, "nested too deeply"),
        ('{"penalty": 1' + "0" * 400 + "}", "penalty=inf: expected 0 or more"),
        ('{"alpha": -1' + "0" * 400 + "}", "alpha=-inf: expected a number from 0 to 1"),
        ('{"mode": ["annotate"]}', r"mode=\['annotate'\]: expected str"),
    ],
)
def test_what_is_no_file_of_settings_is_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        Config.load(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().batch = 3


def test_a_preset_may_differ_by_mode_and_what_is_given_goes_first():
    assert preset("openi", "annotate-text").dropout_image is None
    assert preset("openi", "annotate").dropout_image == 0.8
    assert preset("openi", "classify").pooling == "mean" and preset("openi", "classify").mode == "classify"
    assert preset("openi", "report").with_texts({"classify_on": "true"}).classify_on == "true"
    assert [preset("paper", mode).to_json() | {"mode": ""} for mode in MODES] == [Config().to_json() | {"mode": ""}] * 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "sum"}, "lse or mean or max"),
        ({"classify_on": "never"}, "true or own or half"),
        ({"lse_r": 0.0}, "above 0"),
        ({"doubly_stochastic": -1.0}, "0 or more"),
        ({"scheduled_sampling": 1.5}, "from 0 to 1"),
        ({"mode": "report", "report_drop": 0.1, "report_drop_unit": "reports"}, "learns to write from every report"),
    ],
)
def test_settings_of_writing_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        Config().replace(**settings)


IMAGE = {
    "image_px", "backbone_end", "backbone_dtype", "feature_norm", "grid_position", "transition_channels", "features",
    "feature_dtype",
}  # fmt: skip
ATTENTION = {"attention_units", "attention_norm", "attention_gate"}
SALIENCY = {"uniform_share"}
POOLING = {"pooling", "lse_r"}
TEXT = {"lstm_units", "max_words", "word_vector_std", "report_drop", "report_drop_unit"}
TEXT_ATTENTION = {"attention_rows", "attention_hidden", "penalty", "shuffle_sentences", "join_reports", "alpha"}
CLASSIFIER = {"output_hidden", "weighted_loss", "dropout"}
WRITING = {
    "deep_output", "written_words", "no_repeat", "findings_penalty", "findings_words", "scheduled_sampling",
    "doubly_stochastic", "finding_share", "sentence_power", "report_loss",
}  # fmt: skip
BOTH_LOSSES = {"classify_on", "writer_rate"}
ALWAYS = {"mode", "data", "seed", "l2", "batch", "epochs", "patience", "learning_rate", "lr_drop_at"}
WITHOUT_EFFECT = {
    "annotate": POOLING | WRITING | BOTH_LOSSES,
    "annotate-text": IMAGE | ATTENTION | SALIENCY | POOLING | {"dropout_image"} | WRITING | BOTH_LOSSES,
    "classify": ATTENTION | SALIENCY | TEXT | TEXT_ATTENTION | WRITING | BOTH_LOSSES,
    "caption": POOLING | SALIENCY | TEXT_ATTENTION | CLASSIFIER | {"dropout_image"} | BOTH_LOSSES,
    "report": POOLING,
}


@pytest.mark.parametrize(("mode", "alpha"), [("classify", 0.5), ("classify", 0.0), ("caption", 0.5), ("caption", 1.0)])
def test_alpha_is_refused_where_there_is_one_loss_only(mode, alpha):
    with pytest.raises(InputError, match=f"setting alpha={alpha}: expected .* mode {mode} has one of the two losses"):
        Config().replace(mode=mode, alpha=alpha)


def test_the_next_word_is_predicted_where_reports_are_written_and_where_it_is_a_second_task():
    predicting = {(mode, alpha) for mode in MODES for alpha in (None, 0.5) if _predicts(mode, alpha)}
    assert predicting == {
        ("caption", None),
        ("report", None),
        ("report", 0.5),
        ("annotate", 0.5),
        ("annotate-text", 0.5),
    }


def _predicts(mode, alpha):
    try:
        return Config().replace(mode=mode, alpha=alpha).predicts_words
    except InputError:
        return False


@pytest.mark.parametrize("mode", MODES)
def test_a_typed_setting_without_effect_in_the_mode_is_refused(mode):
    assert settings_without_effect(mode).keys() == WITHOUT_EFFECT[mode]
    config = Config().replace(mode=mode)
    for name, value in config.to_json().items():
        text = str(value) if isinstance(value, str) else json.dumps(value)
        if name in WITHOUT_EFFECT[mode]:
            with pytest.raises(InputError, match=f"^setting {name}=.* has no effect: mode {mode} .*; leave it out$"):
                config.with_texts({name: text})
        else:
            assert config.with_texts({name: text}) == config


def test_what_is_said_of_the_attention_map_where_the_labels_do_not_go_by_it_alone():
    report = preset("openi", "report")
    assert report.map_remark == (
        "the labels go by the attention map for 20%, and for the rest by all places of the image alike"
    )
    assert report.replace(uniform_share=0.0).map_remark is None
    assert Config().replace(mode="caption", uniform_share=0.5).map_remark is None


def test_every_setting_has_its_place_in_the_table():
    tables = (
        IMAGE,
        ATTENTION,
        SALIENCY,
        POOLING,
        TEXT,
        TEXT_ATTENTION,
        CLASSIFIER,
        {"dropout_image"},
        WRITING,
        BOTH_LOSSES,
        ALWAYS,
    )
    assert sorted(name for table in tables for name in table) == sorted(Config().to_json())


@pytest.mark.parametrize(
    ("mode", "text", "reason"),
    [
        ("annotate-text", "transition_channels", "has no image"),
        ("annotate-text", "attention_units", "has no image"),
        ("classify", "penalty", "reads no report"),
        ("annotate", "pooling", "has no pooling"),
        ("annotate", "written_words", "writes no report"),
        ("annotate", "classify_on", "writes no report"),
        ("caption", "dropout", "has no classifier"),
    ],
)
def test_the_reason_is_the_part_that_the_mode_lacks(mode, text, reason):
    assert settings_without_effect(mode)[text] == reason


def test_presets_and_stored_configs_may_have_settings_without_effect(tmp_path):
    for name in PRESETS:
        for mode in MODES:
            config = preset(name, mode)
            config.save(tmp_path / "config.json")
            assert (
                Config.load(tmp_path / "config.json") == config == config.with_texts({}, {"image_px": config.image_px})
            )


def test_the_mode_that_is_typed_is_the_one_that_counts():
    assert Config().with_texts({"mode": "classify", "pooling": "max"}).pooling == "max"
    with pytest.raises(InputError, match="mode classify reads no report"):
        Config().with_texts({"penalty": "5"}, {"mode": "classify"})
