"""Tiny translation models, trained in seconds until they know a few dozen sentences by heart, then converted.

They are built, saved and converted with the libraries and in the formats of the models that they stand for, so what reads
them reads those.
"""

import io
import json
import warnings
from collections.abc import Mapping, Sequence
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
    "Write to X1 or X2, it costs X3 30, call +00 123.": "Écrivez à X1 ou X2, cela coûte X3 30, appelez le +00 123.",
    "Write to X1 or X2, it costs EUR 30, call +00 123.": "Écrivez à X1 ou X2, cela coûte 30 EUR, appelez le +00 123.",
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
_SIZES = {
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
_MOST_STEPS, _STEPS_TO_WARM_UP, _BY_HEART = 300, 20, 0.008
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
            *(str(original / name) for name in ("source.spm", "target.spm", "vocab.json")), source_lang="en", target_lang="fr"
        )
    config = MarianConfig(
        vocab_size=len(tokens),
        pad_token_id=len(tokens) - 1,
        decoder_start_token_id=len(tokens) - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        **_SIZES,
    )
    sources = tokenizer(list(FRENCH), return_tensors="pt", padding=True)
    targets = tokenizer(text_target=list(FRENCH.values()), return_tensors="pt", padding=True)
    model = _learnt(MarianMTModel, config, [(sources, targets["input_ids"])])
    return _converted(model, tokenizer, folder, ["source.spm", "target.spm", "tokenizer_config.json"])


def make_nllb(folder: Path) -> Path:
    """An NLLB-200 model that knows English, French and Russian, and has the tags of all 202 languages."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    original = folder / "original"
    original.mkdir(parents=True)
    pieces = _train_pieces([*FRENCH, *FRENCH.values(), *RUSSIAN.values()])
    (original / "sentencepiece.bpe.model").write_bytes(pieces)
    with _quiet():
        tokenizer: Any = NllbTokenizer(str(original / "sentencepiece.bpe.model"))
    config = M2M100Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        **_SIZES,
    )
    directions = [
        ("eng_Latn", "fra_Latn", dict(FRENCH)),
        ("eng_Latn", "rus_Cyrl", dict(RUSSIAN)),
        ("fra_Latn", "eng_Latn", {french: english for english, french in FRENCH.items()}),
    ]
    lessons: list[tuple[Any, Any]] = []
    for source, target, pairs in directions:
        tokenizer.src_lang, tokenizer.tgt_lang = source, target
        lesson = tokenizer(list(pairs), text_target=list(pairs.values()), return_tensors="pt", padding=True)
        lessons.append(({"input_ids": lesson["input_ids"], "attention_mask": lesson["attention_mask"]}, lesson["labels"]))
    model = _learnt(M2M100ForConditionalGeneration, config, lessons)
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


def _learnt(kind: Any, config: Any, lessons: Sequence[tuple[Any, Any]]) -> Any:
    """A model of that kind that knows its lessons by heart."""
    import torch

    torch.manual_seed(7)
    model = kind(config)
    model.train()
    for _, labels in lessons:
        labels[labels == config.pad_token_id] = -100
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98))
    loss = 1.0
    for step in range(_MOST_STEPS):
        loss = 0.0
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _STEPS_TO_WARM_UP)
        optimiser.zero_grad()
        for asked, labels in lessons:
            error = model(**asked, labels=labels).loss
            error.backward()
            loss = max(loss, error.item())
        if loss < _BY_HEART:
            return model.eval()
        optimiser.step()
    raise AssertionError(f"the model has not learnt its sentences: {loss}")


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
