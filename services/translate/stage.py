"""Translates segments while they come in, sentence by sentence."""

from collections.abc import Collection, Iterator, Sequence

import msgspec

from services.translate import _faithful
from services.translate._faithful import Outcome
from services.translate._layout import Layout, lay_out
from services.translate._parts import WITHOUT_SPACES
from services.translate.protocol import Engine, Pair
from shared.events import joined, translated
from shared.messages import Document, Notice, Segment, StageName, Step, Translation, TranslationPart
from shared.stage import Emit, PartialText, Stage, Work
from shared.text.language import english_name

SENTENCES_PER_CALL = 24
"""Bounds one turn on the engine's thread, which other tasks wait for: about half a second."""

_MOST_LISTED = 40
"""Pairs that a warning names."""


async def run(work: Work, engine: Engine, emit: Emit) -> Document:
    """Adds `translation` to each segment that can be translated, and a warning for what could not be done."""
    target = work.options.target_language
    assert target is not None, "a route with this stage has a target language"
    task = _Task(work, engine, target)
    async for batch in work.batches():
        for group in _groups([task.planned(segment) for segment in batch]):
            await emit.segments(await task.translate(group))
    document = await work.document()
    warnings = task.warnings()
    done = [segment for segment in work.written if segment.translation is not None]
    whole = joined(map(translated, done)) if done or not work.written else None
    emit.step(Step.TRANSLATION_COMPLETE, Translation(translation=whole, target_language=target), warnings)
    return msgspec.structs.replace(document, target_language=target, warnings=(*document.warnings, *warnings))


class _Plan(msgspec.Struct, frozen=True):
    """A segment and what is to be done with it. Without a layout its translation is `text`."""

    segment: Segment
    pair: Pair | None = None
    layout: Layout | None = None
    text: str | None = None

    @property
    def size(self) -> int:
        return len(self.layout.sentences) if self.layout else 0


class _Task:
    """One attempt, and what is asked of it."""

    def __init__(self, work: Work, engine: Engine, target: str) -> None:
        self._work = work
        self._engine = engine
        self._pairs = frozenset(engine.pairs)
        self._target = target

    def planned(self, segment: Segment) -> _Plan:
        if segment.translation is not None:  # the recogniser has done it
            return _Plan(segment, text=segment.translation)
        source = self._source(segment)
        if source == self._target or not segment.text.strip():
            return _Plan(segment, text=segment.text)
        if source is None or (source, self._target) not in self._pairs:
            return _Plan(segment)
        return _Plan(segment, pair=(source, self._target), layout=lay_out(segment.text, source))

    async def translate(self, plans: Sequence[_Plan]) -> list[Segment]:
        """The segments of `plans` with their translations. One turn on the engine's thread per pair and call limit."""
        sentences: dict[Pair, list[str]] = {}
        for plan in plans:
            if plan.pair and plan.layout:
                sentences.setdefault(plan.pair, []).extend(plan.layout.sentences)
        answers = {pair: iter(await self._outcomes(asked, pair)) for pair, asked in sentences.items()}
        done: list[Segment] = []
        for plan in plans:
            text, gap, suspect = plan.text, None, False
            if plan.pair and plan.layout:
                outcomes = [next(answers[plan.pair]) for _ in plan.layout.sentences]
                between = _between(plan.pair)
                text = plan.layout.fill([outcome.text for outcome in outcomes], between=between)
                gap = None if plan.segment.gap else between or None
                suspect = any(outcome.suspect for outcome in outcomes)
            segment = msgspec.structs.replace(plan.segment, translation=text, translation_gap=gap)
            done.append(segment.flagged(_SUSPECT) if suspect else segment)
        return done

    async def _outcomes(self, sentences: Sequence[str], pair: Pair) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(sentences), SENTENCES_PER_CALL):
            asked = sentences[start : start + SENTENCES_PER_CALL]
            whole = len(asked) / SENTENCES_PER_CALL
            outcomes += await self._work.share(Together(self._engine), (pair, asked), weight=whole)
        return outcomes

    def warnings(self) -> list[Notice]:
        """What the client has to know. It comes from what is written alone, whichever attempt has written it."""
        spoken = [segment for segment in self._work.written if segment.text.strip()]
        sources = [self._source(segment) for segment in spoken]
        notices: list[Notice] = []
        if spoken and all(source == self._target for source in sources):
            notices.append(_same_language(self._target))
        left = {self._source(segment) for segment in spoken if segment.translation is None}
        missing = {source for source in left if source != self._target and not self._offers(source)}
        if through := {language for source in sources if (language := self._through(source))}:
            notices.append(_indirect(through))
        if missing:
            notices.append(_no_model(missing, self._target, self._pairs))
        if suspects := sum(_SUSPECT in segment.flags for segment in self._work.written):
            notices.append(_suspect(suspects))
        return notices

    def _offers(self, source: str | None) -> bool:
        return source is not None and (source, self._target) in self._pairs

    def _through(self, source: str | None) -> str | None:
        return self._engine.via(source, self._target) if source and self._offers(source) else None

    def _source(self, segment: Segment) -> str | None:
        return self._work.options.language or segment.language


class Together(msgspec.Struct, frozen=True):
    """Translates what several tasks ask of an engine at the same time: those of one pair in one go."""

    engine: Engine

    def __call__(self, requests: Sequence[tuple[Pair, Sequence[str]]]) -> list[list[Outcome]]:
        asked: dict[Pair, list[str]] = {}
        for pair, sentences in requests:
            asked.setdefault(pair, []).extend(sentences)
        outcomes = {pair: iter(self._outcomes(pair, sentences)) for pair, sentences in asked.items()}
        return [[next(outcomes[pair]) for _ in sentences] for pair, sentences in requests]

    def _outcomes(self, pair: Pair, sentences: Sequence[str]) -> list[Outcome]:
        source, target = pair
        return _faithful.translate(sentences, lambda asked: self.engine.translate(asked, source, target), pair=pair)


def _groups(plans: Sequence[_Plan]) -> Iterator[list[_Plan]]:
    """`plans` in groups that fit one call, so that the first are written while the rest is at work."""
    group: list[_Plan] = []
    for plan in plans:
        if group and sum(one.size for one in group) + plan.size > SENTENCES_PER_CALL:
            yield group
            group = []
        group.append(plan)
    if group:
        yield group


def _between(pair: Pair) -> str:
    """What stands between two sentences of the translation where the source has nothing between them."""
    source, target = pair
    return " " if source in WITHOUT_SPACES and target not in WITHOUT_SPACES else ""


def _same_language(target: str) -> Notice:
    message = f"The text is in '{target}' already; it stands as its own translation."
    return Notice(code="same_language", message=message, stage=StageName.TRANSLATE)


def _no_model(sources: Collection[str | None], target: str, pairs: Collection[Pair]) -> Notice:
    offered = _listed(pairs, target)
    known = sorted(source for source in sources if source)
    if known:
        problem = f"There is no model for {' and '.join(f'{source} to {target}' for source in known)}."
    else:
        problem = "The language of the text is not known, so it was not translated: name it with `language`."
    message = f"{problem} On offer: {offered}."
    return Notice(code="no_translation_model", message=message, stage=StageName.TRANSLATE)


def _listed(pairs: Collection[Pair], target: str) -> str:
    """Some of what is on offer, of very many pairs those into the language that was asked for."""
    near = [pair for pair in pairs if pair[1] == target] if len(pairs) > _MOST_LISTED else []
    listed = sorted(near or pairs)
    more = ", …" if len(listed) > _MOST_LISTED else ""
    return ", ".join(f"{source} to {into}" for source, into in listed[:_MOST_LISTED]) + more


def _indirect(languages: Collection[str]) -> Notice:
    names = " and ".join(english_name(language).capitalize() for language in sorted(languages))
    message = f"There is no model for this pair of languages; the text went through {names}, which costs some accuracy."
    return Notice(code="translation_indirect", message=message, stage=StageName.TRANSLATE)


def _suspect(count: int) -> Notice:
    what = "One segment" if count == 1 else f"{count} segments"
    message = f"{what} could not be translated with confidence; the original wording was kept, at least in part."
    return Notice(code="translation_suspect", message=message, stage=StageName.TRANSLATE)


_SUSPECT = _suspect(1).code
"""What the segments are flagged with that are counted."""


def _part(text: str | None, segment: Segment) -> TranslationPart:
    return TranslationPart(translation=text, segment=segment)


STAGE = Stage(
    name=StageName.TRANSLATE,
    run=run,
    partial=PartialText(step=Step.TRANSLATION, piece=translated, part=_part),
)
