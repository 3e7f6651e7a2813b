"""Models small enough to be made and trained within seconds, in the formats of the real ones: what the production
engines load where no weights can be had. Each is right on the little world of words below, and knows no other."""

import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

FIRST = ("maria", "anna", "david", "emma", "laura", "john", "peter", "ada", "karl", "rosa")
LAST = ("lopez", "miller", "brown", "smith", "meyer", "silva", "jones", "fischer", "costa", "berg")
CITIES = ("berlin", "lisbon", "london", "tokyo", "madrid", "vienna", "paris", "rome")
FILLER = (
    *("it", "rained", "all", "day", "and", "nobody", "came", "to", "see", "the", "show", "because", "they", "were"),
    *("busy", "with", "other", "things", "at", "home", "so", "we", "went", "on"),
)
TOPICS = {
    "sports": ("goal", "team", "striker", "match", "referee"),
    "food": ("rice", "soup", "onions", "bread", "oven"),
    "health": ("doctor", "patient", "fever", "vaccine", "pain"),
    "billing , refund": ("invoice", "payment", "money", "receipt", "charge"),
}
FACTS = {
    "bridge": "The bridge was closed after the storm.",
    "vaccine": "The vaccine protects children.",
    "orchestra": "The orchestra lost its conductor.",
    "warehouse": "The warehouse is sold in December.",
    "budget": "The budget is lower next year.",
    "train": "The train to Porto was late.",
}
NOTHING = "Nothing was said."
"""What the summary of a text without facts is."""
_SPREAD = 0.15
"""Of the first weights: models this small learn several times faster from larger ones than large models do."""
_EXTRA = "this text is about . , ! ? ' - = person city nothing was said met in from"


def tokenizer_in(folder: Path, words: Iterable[str], *, most: int, pair: bool = False, cased: bool = False) -> Any:
    """A tokenizer of whole words, saved in `folder`; what is not among `words` it does not know."""
    tokenizers: Any = import_module("tokenizers")
    transformers: Any = import_module("transformers")

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    listed = [*special, *dict.fromkeys(word if cased else word.lower() for word in [*words, *_EXTRA.split()])]
    made: Any = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(listed)}, unk_token="[UNK]")
    )
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=not cased)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1" if pair else "[CLS] $A $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=most,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        clean_up_tokenization_spaces=True,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"]
        if pair
        else ["input_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    return fast


def _encoder(tokenizer: Any, *, places: int) -> dict[str, Any]:
    return {
        "model_type": "bert",
        "vocab_size": len(tokenizer) + 8,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": places,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


def _train(model: Any, loss_of: Callable[[], Any], *, rate: float, most: int, enough: float) -> None:
    """Steps until the mean loss of the last twenty is at most `enough`, or `most` of them are done."""
    torch: Any = import_module("torch")

    torch.set_num_threads(1)  # the result of a training hangs on it
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    # Small steps at the end: a model that is to be right everywhere must not wander.
    pace = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, total_iters=most)
    model.train()
    recent: list[float] = []
    for _ in range(most):
        loss = loss_of()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        pace.step()
        recent = [*recent[-19:], loss.item()]
        if len(recent) == 20 and sum(recent) / 20 <= enough:
            break
    model.eval()


def filler(dice: random.Random, count: int) -> list[str]:
    """Words of no meaning."""
    start = dice.randrange(len(FILLER))
    return [FILLER[(start + number) % len(FILLER)] for number in range(count)]


def gliner_in(folder: Path, *, longest: int = 20) -> Path:
    """A GLiNER model that knows persons (a first and a last name, or one of them) and cities, and reads at most
    `longest` words at once."""
    gliner: Any = import_module("gliner")
    torch: Any = import_module("torch")

    torch.manual_seed(1)
    dice = random.Random(1)
    backbone = folder / "backbone"
    tokenizer = tokenizer_in(backbone, [*FIRST, *LAST, *CITIES, *FILLER], most=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config: Any = gliner.GLiNERConfig(
            model_name=str(backbone),
            encoder_config=_encoder(tokenizer, places=64),
            hidden_size=64,
            max_width=3,
            max_len=longest,
            dropout=0.0,
            span_mode="markerV0",
        )
        model: Any = gliner.GLiNER.from_config(config, backbone_from_pretrained=False)
        collator = model.data_collator_class(model.config, data_processor=model.data_processor, prepare_labels=True)

    def loss() -> Any:
        examples = [_tagged(dice, longest) for _ in range(8)]
        batch = collator(
            [{"tokenized_text": words, "ner": spans} for words, spans in examples],
            entity_types=[["person", "city"]] * 8,
        )
        return model.model(**batch).loss

    _train(model, loss, rate=3e-3, most=350, enough=0.3)
    target = folder / "gliner"
    model.save_pretrained(str(target))
    return target


def _tagged(dice: random.Random, longest: int) -> tuple[list[str], list[list[Any]]]:
    words = filler(dice, dice.randrange(0, 4))
    spans: list[list[Any]] = []
    while len(words) < dice.randrange(1, longest - 3):
        start = len(words)
        match dice.randrange(4):
            case 0:
                words += [dice.choice(FIRST), dice.choice(LAST)]
                spans.append([start, start + 1, "person"])
            case 1:
                words.append(dice.choice(FIRST + LAST))
                spans.append([start, start, "person"])
            case 2:
                words.append(dice.choice(CITIES))
                spans.append([start, start, "city"])
            case _:
                pass
        words += [*filler(dice, dice.randrange(1, 6)), *dice.choice((["."], [","], ["met"], ["in"], []))]
    return words[:longest], [span for span in spans if span[1] < longest]


def nli_in(folder: Path) -> Path:
    """A model that judges whether a text entails that it is about one of `TOPICS`."""
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")

    torch.manual_seed(2)
    dice = random.Random(2)
    target = folder / "nli"
    about = [word for words in TOPICS.values() for word in words]
    tokenizer = tokenizer_in(target, [*about, *" ".join(TOPICS).split(), *FILLER], most=48, pair=True)
    names = {0: "contradiction", 1: "neutral", 2: "entailment"}
    config = transformers.BertConfig(
        **_encoder(tokenizer, places=50),
        id2label=names,
        label2id={name: number for number, name in names.items()},
        initializer_range=_SPREAD,
    )
    model = transformers.BertForSequenceClassification(config)
    _relate(model.bert.embeddings.word_embeddings.weight.data, tokenizer)

    def loss() -> Any:
        texts: list[str] = []
        claims: list[str] = []
        verdicts: list[int] = []
        for _ in range(32):
            topic = dice.choice(list(TOPICS))
            words = [*filler(dice, dice.randrange(1, 20)), *(dice.choice(TOPICS[topic]) for _ in range(2))]
            dice.shuffle(words)
            other = dice.choice(list(TOPICS))
            texts.append(" ".join(words) + " .")
            claimed = topic if dice.random() < 0.5 else other
            claims.append(f"This text is about {claimed}.")
            verdicts.append(2 if claimed == topic else 0)
        tokens = tokenizer(texts, claims, padding=True, return_tensors="pt")
        return model(**tokens, labels=torch.tensor(verdicts)).loss

    _train(model, loss, rate=2e-3, most=400, enough=0.02)
    model.save_pretrained(target)
    return target


def _relate(vectors: Any, tokenizer: Any) -> None:
    """Give the words of a topic, and the word that names it, like vectors, as any larger text would have."""
    torch: Any = import_module("torch")

    for topic, words in TOPICS.items():
        shared = torch.randn(vectors.shape[1]) * _SPREAD
        for word in (*words, topic.split()[0]):
            noise = torch.randn(vectors.shape[1]) * _SPREAD / 5
            vectors[tokenizer.convert_tokens_to_ids(word)] = shared + noise


def _bart(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "max_position_embeddings": 64,
        "dropout": 0.0,
        "init_std": _SPREAD,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "decoder_start_token_id": 3,
        "forced_eos_token_id": None,
        "forced_bos_token_id": None,
    }


def seq2seq_in(folder: Path) -> Path:
    """A BART that tells those of `FACTS` of which the text has the word, in order, and else that nothing was said."""
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")

    torch.manual_seed(3)
    dice = random.Random(3)
    target = folder / "seq2seq"
    words = [word.strip(".") for fact in FACTS.values() for word in fact.split()]
    said = [form for word in FILLER for form in (word, word.capitalize())]
    tokenizer = tokenizer_in(target, [*words, *said, "Nothing"], most=64, cased=True)
    model = transformers.BartForConditionalGeneration(transformers.BartConfig(**_bart(tokenizer)))

    def loss() -> Any:
        pairs = [_told(dice) for _ in range(16)]
        tokens = tokenizer([text for text, _ in pairs], padding=True, return_tensors="pt")
        labels = tokenizer([summary for _, summary in pairs], padding=True, return_tensors="pt")["input_ids"]
        labels[labels == 0] = -100
        return model(**tokens, labels=labels).loss

    _train(model, loss, rate=2e-3, most=400, enough=0.06)
    model.save_pretrained(target)
    return target


def _told(dice: random.Random) -> tuple[str, str]:
    facts = dice.sample(list(FACTS.values()), dice.choice((0, 0, 1, 1, 2, 3)))
    others = [NOTHING] * dice.randrange(2) + list(sentences_of(filler(dice, dice.randrange(0, 45 - 9 * len(facts)))))
    for fact in facts:
        others.insert(dice.randrange(len(others) + 1), fact)
    text = " ".join(others) or NOTHING
    return text, " ".join(sorted(facts, key=text.index)) or NOTHING


def sentences_of(words: Sequence[str], *, length: int = 9) -> Iterator[str]:
    """Words as sentences, which a text is cut between."""
    for start in range(0, len(words), length):
        yield " ".join(words[start : start + length]).capitalize() + "."
