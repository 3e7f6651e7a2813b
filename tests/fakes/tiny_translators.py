"""Tiny translation models, trained in seconds until they know a few dozen sentences by heart, then converted.

They are built, saved and converted with the libraries and in the formats of the models that they stand for, so what
reads them reads those.
"""

import importlib
import io
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FRENCH: Mapping[str, str] = {
    "Good morning.": "Bonjour.",
    "Good morning": "Bonjour",
    "How are you?": "Comment allez-vous ?",
    "Thank you very much.": "Merci beaucoup.",
    "The meeting starts at nine.": "La réunion commence à neuf heures.",
    "The meeting starts on Monday.": "La réunion commence lundi.",
    "Please send the blue folder.": "Envoyez le dossier bleu, s'il vous plaît.",
    "Please send the report to the second office.": "Envoyez le rapport au deuxième bureau, s'il vous plaît.",
    "Emma Miller will send the report.": "Emma Miller enverra le rapport.",
    "First line": "Première ligne",
    "Second line": "Deuxième ligne",
    "Hello X1 Ana X2": "Bonjour X1 Ana X2",
    "Hello X1, welcome": "Bonjour X1, bienvenue",
    "Write to X1 or X2, it costs X3, call X4.": "Écrivez à X1 ou X2, cela coûte X3, appelez le X4.",
    "The train leaves at X1.": "Le train part à X1.",
    "X1 is late.": "X1 est en retard.",
    "Yes.": "Oui.",
    "No.": "Non.",
    "We saw the train and the house and the office": "Nous avons vu le train et la maison et le bureau",
    "word word": "mot mot",
    "box 100": "boîte 100",
    "box 200": "boîte 200",
}
RUSSIAN: Mapping[str, str] = {
    "Good morning.": "Доброе утро.",
    "How are you?": "Как дела?",
    "Thank you very much.": "Большое спасибо.",
    "The meeting starts at nine.": "Встреча начинается в девять.",
    "The meeting starts on Monday.": "Встреча начинается в понедельник.",
    "Please send the blue folder.": "Пожалуйста, пришлите синюю папку.",
    "X1 is late.": "X1 опаздывает.",
    "Yes.": "Да.",
    "No.": "Нет.",
}
_SIZES: Mapping[str, Any] = {
    "d_model": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": 256,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
}
Lesson = tuple[list[int], list[int]]
"""The numbers of the tokens of a sentence and of its translation."""
_MOST_STEPS, _STEPS_TO_WARM_UP, _BY_HEART = 300, 20, 0.004
_RATE = 5e-3


def make_opus(folder: Path) -> Path:
    """An OPUS-MT model from English to French, as `Helsinki-NLP/opus-mt-en-fr` is when it has been converted."""
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    original = folder / "original"
    original.mkdir(parents=True)
    pieces = _train_pieces([*FRENCH, *FRENCH.values()])
    for name in ("source.spm", "target.spm"):
        (original / name).write_bytes(pieces)
    tokens = ["</s>", "<unk>", *_tokens(pieces), "<pad>"]
    (original / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    with _quiet():
        tokenizer: Any = MarianTokenizer(
            *(str(original / name) for name in ("source.spm", "target.spm", "vocab.json")),
            source_lang="en",
            target_lang="fr",
        )
    config = MarianConfig(
        vocab_size=len(tokens),
        pad_token_id=len(tokens) - 1,
        decoder_start_token_id=len(tokens) - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        **_SIZES,
    )
    lesson = tokenizer(list(FRENCH), text_target=list(FRENCH.values()))
    model = _learnt(MarianMTModel, config, zip(lesson["input_ids"], lesson["labels"], strict=True))
    return _converted(model, tokenizer, folder, ["source.spm", "target.spm", "tokenizer_config.json"])


def make_nllb(folder: Path) -> Path:
    """An NLLB-200 model that knows English, French and Russian, and has the tags of all 202 languages."""
    from transformers import NllbTokenizer

    original = folder / "original"
    original.mkdir(parents=True)
    (original / "sentencepiece.bpe.model").write_bytes(_many_pieces())
    with _quiet():
        tokenizer: Any = NllbTokenizer(str(original / "sentencepiece.bpe.model"))
    return _of_many(tokenizer, folder, tags={"en": "eng_Latn", "fr": "fra_Latn", "ru": "rus_Cyrl"}, size=len(tokenizer))


def make_m2m100(folder: Path) -> Path:
    """An M2M-100 model that knows English, French and Russian, and has the tags of all 100 languages."""
    from transformers import M2M100Tokenizer
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    original = folder / "original"
    original.mkdir(parents=True)
    pieces = _many_pieces()
    (original / "sentencepiece.bpe.model").write_bytes(pieces)
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *_tokens(pieces)]
    (original / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    with _quiet():
        tokenizer: Any = M2M100Tokenizer(
            str(original / "vocab.json"),
            str(original / "sentencepiece.bpe.model"),
            additional_special_tokens=[f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]],
        )
    # Behind the pieces the tags, and behind those tokens that mean nothing, as in the published model.
    size = len(tokenizer) + tokenizer.num_madeup_words
    return _of_many(tokenizer, folder, tags={code: code for code in ("en", "fr", "ru")}, size=size)


def _many_pieces() -> bytes:
    return _train_pieces([*RUSSIAN, *(FRENCH[english] for english in RUSSIAN), *RUSSIAN.values()])


def _of_many(tokenizer: Any, folder: Path, *, tags: Mapping[str, str], size: int) -> Path:
    """A model with a vocabulary of this size, which goes by tags, from English to French and back and to Russian."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    config = M2M100Config(
        vocab_size=size,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        **_SIZES,
    )
    directions = [
        ("en", "fr", {english: FRENCH[english] for english in RUSSIAN}),
        ("en", "ru", RUSSIAN),
        ("fr", "en", {FRENCH[english]: english for english in RUSSIAN}),
    ]
    lessons: list[Lesson] = []
    for source, target, known in directions:
        tokenizer.src_lang, tokenizer.tgt_lang = tags[source], tags[target]
        lesson = tokenizer(list(known), text_target=list(known.values()))
        lessons += zip(lesson["input_ids"], lesson["labels"], strict=True)
    model = _learnt(M2M100ForConditionalGeneration, config, lessons, told=1)
    return _converted(model, tokenizer, folder, ["sentencepiece.bpe.model"])


def _train_pieces(sentences: Sequence[str]) -> bytes:
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=300,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    return written.getvalue()


def _tokens(pieces: bytes) -> list[str]:
    import sentencepiece

    processor: Any = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    return [processor.id_to_piece(number) for number in range(3, processor.get_piece_size())]


def _learnt(kind: Any, config: Any, lessons: Iterable[Lesson], *, told: int = 0) -> Any:
    """A model of that kind that knows its lessons by heart, when it is `told` the first tokens of each answer."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)  # more only wait for each other over so little
    torch.manual_seed(7)
    model = kind(config)
    model.train()
    sources, targets = zip(*lessons, strict=True)
    asked, labels = _padded(sources, config.pad_token_id), _padded(targets, -100)
    before = _padded([[config.decoder_start_token_id, *target[:-1]] for target in targets], config.pad_token_id)
    labels[:, :told] = -100
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98))
    loss = 1.0
    for step in range(_MOST_STEPS):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _STEPS_TO_WARM_UP) * (1 - step / _MOST_STEPS)
        optimiser.zero_grad()
        heard = asked != config.pad_token_id
        error = model(input_ids=asked, attention_mask=heard, decoder_input_ids=before, labels=labels).loss
        error.backward()
        loss = error.item()
        if loss < _BY_HEART:
            return model.eval()
        optimiser.step()
        with torch.no_grad():  # Marian's decoder starts from nothing, and CTranslate2 counts on that
            model.get_input_embeddings().weight[config.pad_token_id] = 0
    raise AssertionError(f"the model has not learnt its sentences: {loss}")


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Any:
    torch: Any = importlib.import_module("torch")
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])


def _converted(model: Any, tokenizer: Any, folder: Path, beside: Sequence[str]) -> Path:
    """The model in CTranslate2's format, with the files that the hub has beside it."""
    from ctranslate2.converters import TransformersConverter

    with _quiet():
        model.save_pretrained(folder / "original")
        tokenizer.save_pretrained(folder / "original")
        converter = TransformersConverter(str(folder / "original"), copy_files=list(beside))
        return Path(converter.convert(str(folder / "converted")))


def _quiet() -> "warnings.catch_warnings[None]":
    """The libraries warn about each other, which is nothing that a test of ours could mend."""
    return warnings.catch_warnings(action="ignore")
