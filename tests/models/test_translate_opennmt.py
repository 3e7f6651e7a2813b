"""OPUS-MT, NLLB-200 and M2M-100 through the real CTranslate2: tiny models that know their sentences by heart."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from services.translate import _faithful, _model
from services.translate._faithful import Outcome
from services.translate.engine import make_engine
from services.translate.protocol import Engine
from services.translate.settings import Settings
from services.translate.stage import STAGE
from shared.errors import ModelMissing, SettingsError
from shared.messages import Options, Segment, Step, Translation
from shared.settings import load
from tests.fakes import tiny_translators
from tests.fakes.stage import FakeEmit, FakeWork
from tests.fakes.tiny_translators import FRENCH, RUSSIAN

pytestmark = pytest.mark.timeout(240)  # where others compute, too, training takes its time


@pytest.fixture(scope="session")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_translators.make_opus(tmp_path_factory.mktemp("opus"))


@pytest.fixture(scope="session")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_translators.make_nllb(tmp_path_factory.mktemp("nllb"))


@pytest.fixture(scope="session")
def m2m(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_translators.make_m2m100(tmp_path_factory.mktemp("m2m"))


def loaded(models: str, **settings: str) -> Engine:
    # The tiny models have no weight to lose: their answers are exact in full precision.
    environ = {
        "TRANSLATE_ENGINE": "ctranslate2",
        "TRANSLATE_COMPUTE_TYPE": "float32",
        "TRANSLATE_MODELS": models,
        "WORKER_THREADS": "1",
    }
    engine = make_engine(load(Settings, environ | {name.upper(): value for name, value in settings.items()}))
    engine.load()
    engine.warm_up()
    return engine


@pytest.fixture(scope="module")
def french(opus: Path) -> Engine:
    """OPUS-MT, whose files tell that it goes from English to French."""
    return loaded(str(opus))


@pytest.fixture(scope="module")
def many(nllb: Path) -> Engine:
    return loaded(str(nllb))


@pytest.fixture(scope="module")
def to_french(french: Engine) -> Callable[[str], Outcome]:
    """One sentence with everything that the stage puts around the model."""

    def translate(sentence: str) -> Outcome:
        pair = ("en", "fr")
        (outcome,) = _faithful.translate([sentence], lambda asked: french.translate(asked, *pair), pair=pair)
        return outcome

    return translate


async def run(engine: Engine, text: str, target: str = "fr") -> tuple[str | None, list[str]]:
    """The stage's translation of an English text, and the codes of its warnings."""
    segment = Segment(index=1, start=0, end=1, text=text, language="en")
    work = FakeWork(Options(target_language=target), batches=[[segment]])
    emit = FakeEmit(work)
    document = await STAGE.run(work, engine, emit)
    whole = emit.partial(Step.TRANSLATION_COMPLETE)
    assert isinstance(whole, Translation)
    return whole.translation, [notice.code for notice in document.warnings]


def test_opus_says_what_it_has_learnt(french: Engine) -> None:
    """Sentences of all lengths in one batch come back in order, each to the letter."""
    assert french.pairs == {("en", "fr")}
    assert french.translate(list(FRENCH), "en", "fr") == list(FRENCH.values())


@pytest.mark.parametrize("model", ["nllb", "m2m"])
def test_t08_it_is_said_in_the_language_that_is_asked_for(model: str, request: pytest.FixtureRequest) -> None:
    """Source and target are told to the model by its own tags, and no tag is in what it says."""
    many = loaded(str(request.getfixturevalue(model)))
    assert many.translate(list(RUSSIAN), "en", "ru") == list(RUSSIAN.values())
    assert many.translate(list(RUSSIAN), "en", "fr") == [FRENCH[english] for english in RUSSIAN]
    assert many.translate([FRENCH[english] for english in RUSSIAN], "fr", "en") == list(RUSSIAN)
    unheard = many.translate(["Zebras paint it.", "Mhm", "1 2 3 4 5 6 7 8 9"], "en", "ru")
    assert "_" not in "".join(unheard)


def test_what_is_on_offer_is_told_in_few_words(many: Engine, nllb: Path) -> None:
    """A model of 202 tags offers each pair of its 194 languages, or of those that the settings name."""
    assert len(many.pairs) == 194 * 193
    (offer,) = many.describe()["offers"]
    assert len(offer["sources"]) == 194
    assert {"en", "zh", "no", "he", "id", "ar"} <= set(offer["sources"])
    few = loaded(str(nllb), translate_languages="english, fr,ru")
    assert len(few.pairs) == 6


def test_a_pair_without_a_model_goes_through_english(nllb: Path) -> None:
    """French to Russian takes two steps where only those have models, unless the settings forbid it."""
    halves = f"fr-en={nllb},en-ru={nllb}"
    engine = loaded(halves)
    assert engine.pairs == {("fr", "en"), ("en", "ru"), ("fr", "ru")}
    assert (engine.via("fr", "ru"), engine.via("fr", "en")) == ("en", None)
    assert engine.translate([FRENCH["The meeting starts at nine."]], "fr", "ru") == ["Встреча начинается в девять."]
    assert engine.describe()["offers"][-1] == {"sources": ["fr"], "targets": ["fr", "ru"], "via": "en"}
    assert loaded(halves, translate_pivot="none").pairs == {("fr", "en"), ("en", "ru")}


def test_m2m100_offers_the_languages_that_it_has_tags_for(m2m: Path) -> None:
    """A hundred, each to each other, under the codes of the mesh: `ns`, which no standard has, is `nso`."""
    engine = loaded(str(m2m))
    (offer,) = engine.describe()["offers"]
    assert len(offer["sources"]) == 100
    assert {"en", "fr", "ru", "he", "id", "no", "nso", "zh"} <= set(offer["sources"])
    assert len(engine.pairs) == 100 * 99


async def test_who_reads_a_translation_knows_that_it_was_indirect(nllb: Path) -> None:
    """The task's result says that the text went through a third language."""
    engine = loaded(f"en-fr={nllb},fr-ru={nllb}", translate_pivot="fr")
    _, warnings = await run(engine, "Yes.", "ru")
    assert "translation_indirect" in warnings


async def test_t08_a_translation_into_a_third_language_is_not_believed(opus: Path) -> None:
    """A model that answers in French to whoever asks for Spanish: the source text stands, and the result says so."""
    spanish = loaded(f"en-es={opus}")
    text = "Please send the report to the second office."
    assert spanish.translate([text], "en", "es") == [FRENCH[text]]
    assert await run(spanish, text, "es") == (text, ["translation_suspect"])


async def test_t02_a_text_without_a_full_stop_keeps_each_number(french: Engine) -> None:
    """1,500 words that the model mostly does not know: all numbers are there, in order, and nothing is cut off."""
    words = [str(place) if place % 100 == 0 else "word" for place in range(1, 1501)]
    text, _ = await run(french, " ".join(words))
    assert text is not None
    assert [word for word in text.split() if word.isdigit()] == [str(place) for place in range(100, 1501, 100)]


def test_t02_a_sentence_longer_than_the_model_takes_goes_in_parts(
    french: Engine, opus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that the model knows come back one after the other, though the whole is more than it is asked at once."""
    known = "Please send the report to the second office."
    pieces = SentencePieceProcessor(model_file=str(opus / "source.spm")).encode(known)
    monkeypatch.setattr(_model, "MOST_PIECES", len(pieces) + 1)
    assert french.translate([" ".join([known] * 8)], "en", "fr") == [" ".join([FRENCH[known]] * 8)]


@pytest.mark.parametrize("sentence", ["Uh.", "Mhm", "Hm hm hm", "1 2 3", "bye", "z", "Ünïcödé wörds ŵøŕđ"])
def test_t03_a_word_alone_makes_no_loop(to_french: Callable[[str], Outcome], sentence: str) -> None:
    """Whatever the model makes of what it has never seen, it comes to an end, or the source stands."""
    outcome = to_french(sentence)
    assert outcome.text
    assert len(outcome.text) <= 3 * len(sentence) + 40


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("First line\nSecond line", "Première ligne\nDeuxième ligne"),
        ("Hello <b>Ana</b>", "Bonjour <b>Ana</b>"),
        ("Hello %1$s, welcome", "Bonjour %1$s, bienvenue"),
        ("  Yes.\n\nNo. \n", "  Oui.\n\nNon. \n"),
    ],
)
async def test_t05_line_breaks_and_tags_stay(french: Engine, text: str, translation: str) -> None:
    """Lines are lines, and markup and placeholders come through to the letter."""
    assert await run(french, text) == (translation, [])


async def test_t06_addresses_money_and_numbers_stay(french: Engine) -> None:
    """Mail, address, price and telephone number are those of the source."""
    text = "Write to user@example.org or https://example.org, it costs EUR 30, call +00 123."
    translation = "Écrivez à user@example.org ou https://example.org, cela coûte EUR 30, appelez le +00 123."
    assert await run(french, text) == (translation, [])


async def test_t06_a_name_that_the_model_cannot_spell_stays(french: Engine) -> None:
    """Letters outside of the vocabulary are hidden from the model and put back."""
    assert await run(french, "Łukasz is late.") == ("Łukasz est en retard.", [])


def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    """No folder, a folder without a model, a hub's model that was not pulled: one line each, and exit 3."""
    with pytest.raises(ModelMissing, match=r"TRANSLATE_MODELS: .* is no folder"):
        loaded("nonsense")
    with pytest.raises(ModelMissing, match="no model for CTranslate2 in"):
        loaded(str(tmp_path))
    with pytest.raises(ModelMissing, match="run `voxmesh models pull owner/name`"):
        loaded("owner/name", models_dir=str(tmp_path))


def test_a_model_that_cannot_be_used_says_why(opus: Path, nllb: Path, tmp_path: Path) -> None:
    """Damaged weights, no word about what it translates, languages that it does not know."""
    names = ("source.spm", "target.spm", "shared_vocabulary.json", "config.json", "model.bin")
    for name in names:
        (tmp_path / name).write_bytes((opus / name).read_bytes())
    with pytest.raises(SettingsError, match=f"say what {tmp_path} translates, such as en-de={tmp_path}"):
        loaded(str(tmp_path))
    assert loaded(f"en-fr={tmp_path}").pairs == {("en", "fr")}
    with pytest.raises(SettingsError, match="does not know tlh"):
        loaded(f"en-tlh={nllb}")
    (tmp_path / "model.bin").write_bytes(b"broken")
    with pytest.raises(ModelMissing, match="is damaged, bring it anew"):
        loaded(f"en-fr={tmp_path}")
    with pytest.raises(
        SettingsError, match=r"cannot load .* with TRANSLATE_DEVICE=cpu, TRANSLATE_COMPUTE_TYPE=float17"
    ):
        loaded(str(opus), translate_compute_type="float17")
