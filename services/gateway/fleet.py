"""What the workers can do, as they tell it: who is live, what is on offer, and what is refused for want of an offer.

A stage may be scaled to zero. Then what its workers told last counts for a day; when nothing is known, all is accepted
and the task waits. Workers that do not say what they can do are taken to do anything.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec
import structlog

from services.gateway.problems import Problem
from shared import presence
from shared.messages import Options, StageName
from shared.redis import Redis, answered

log = structlog.get_logger(__name__)

K = TypeVar("K", bound="Kind")
T = TypeVar("T", bound=Any)

_MOST_LISTED = 100
"""Pairs that a refusal names."""
_FRESH_SECONDS = 1.0
"""So long what was read serves all requests."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Workers that are alike. `concurrency` is how many tasks they take at a time, all together."""

    workers: int = 1
    concurrency: int = 0
    engine: str = ""


class Recogniser(Kind, frozen=True, kw_only=True):
    """`languages` are ISO 639 codes; an empty list says nothing. `follows` are the form fields that it honours."""

    model: str = ""
    languages: tuple[str, ...] = ()
    device: str = ""
    follows: tuple[str, ...] = ()


class Pair(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """A translation on offer, by ISO 639 codes. Where no model knows the pair, it goes `via` another language."""

    source: str
    target: str
    via: str = ""


class Offer(msgspec.Struct, frozen=True, order=True):
    """Translations on offer: from each of `sources` to each of `targets` but itself."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    via: str = ""

    def covers(self, source: str | None, target: str) -> bool:
        """Whether this has the pair; without a source, whether it has any to that target."""
        if target not in self.targets:
            return False
        return source in self.sources if source else any(one != target for one in self.sources)

    def pairs(self) -> Iterable[Pair]:
        return (Pair(one, into, self.via) for one in self.sources for into in self.targets if one != into)


class Translator(Kind, frozen=True, kw_only=True):
    """An empty list of offers says nothing."""

    model: str = ""
    device: str = ""
    offers: tuple[Offer, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the nlp stage. An empty list of languages or labels stands for all."""

    engine: str = ""
    model: str = ""
    languages: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    default_labels: tuple[str, ...] = ()


class Reader(Kind, frozen=True, kw_only=True):
    """Who finds entities, classifies and summarises."""

    entities: Part = Part()
    topics: Part = Part()
    summary: Part = Part()


class Observer(Kind, frozen=True, kw_only=True):
    """Who gathers insights; `findings` are the parts of them."""

    model: str = ""
    languages: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of workers of each stage."""

    asr: tuple[Recogniser, ...] = ()
    translate: tuple[Translator, ...] = ()
    nlp: tuple[Reader, ...] = ()
    insights: tuple[Observer, ...] = ()

    def languages(self) -> Sequence[str]:
        """What can be transcribed; empty when that is not known."""
        return _union(kind.languages for kind in self.asr)

    def offers(self) -> Sequence[Offer]:
        """What can be translated; empty when that is not known."""
        return _union(kind.offers for kind in self.translate)

    def pairs(self) -> Sequence[Pair]:
        """The same, pair by pair. One that some worker has a model for goes through no other language."""
        best: dict[tuple[str, str], Pair] = {}
        for pair in sorted(chain.from_iterable(offer.pairs() for offer in self.offers())):
            best.setdefault((pair.source, pair.target), pair)
        return list(best.values())


class View(msgspec.Struct, frozen=True):
    """`live` is who works now. `offered` are the same, and for a stage without workers those that it had last."""

    live: Workers
    offered: Workers


class Fleet:
    """The workers, looked at once a second at most, however many ask."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._turn = asyncio.Lock()
        self._view = View(Workers(), Workers())
        self._read_at = -_FRESH_SECONDS

    async def view(self) -> View:
        """The workers as they were within the last second. Raises one of `AWAY` when Redis does not answer."""
        async with self._turn:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._view = await answered(self._look())
                self._read_at = time.monotonic()
            return self._view

    async def check(self, options: Options, route: Iterable[StageName]) -> None:
        """Raises `Problem` when nobody offers what a task of these options names."""
        offered = (await self.view()).offered
        if StageName.ASR in route and options.language:
            _check_language(options.language, offered.languages())
        if options.target_language:
            _check_pair(options.language, options.target_language, offered.offers())

    async def _look(self) -> View:
        live = await presence.live(self._redis)
        offered = {stage: workers or await presence.remembered(self._redis, stage) for stage, workers in live.items()}
        return View(_workers(live), _workers(offered))


def _check_language(language: str, offered: Sequence[str]) -> None:
    if offered and language not in offered:
        detail = f"Speech in '{language}' cannot be transcribed here. On offer: {', '.join(offered)}."
        raise Problem(422, "unsupported_language", detail, field="language", offered=offered)


def _check_pair(source: str | None, target: str, offers: Sequence[Offer]) -> None:
    """What is in the target language already needs no translator."""
    if not offers or source == target or any(offer.covers(source, target) for offer in offers):
        return
    wanted = f"from {source} to {target}" if source else f"to {target}"
    offered = _nearest(Workers(translate=(Translator(offers=tuple(offers)),)).pairs(), source, target)
    listed = ", ".join(f"{pair.source} to {pair.target}" for pair in offered)
    raise Problem(
        422,
        "unsupported_pair",
        f"Nobody here translates {wanted}. On offer: {listed}.",
        field="target_language",
        offered=[f"{pair.source}-{pair.target}" for pair in offered],
    )


def _nearest(pairs: Sequence[Pair], source: str | None, target: str) -> Sequence[Pair]:
    """All pairs, or, of more than a person wants to read, some of those that have one of the two languages."""
    if len(pairs) <= _MOST_LISTED:
        return pairs
    near = [pair for pair in pairs if target == pair.target or source == pair.source]
    return (near or pairs)[:_MOST_LISTED]


def _workers(stages: dict[StageName, list[presence.Info]]) -> Workers:
    return Workers(
        asr=_kinds(stages[StageName.ASR], Recogniser),
        translate=_kinds(stages[StageName.TRANSLATE], Translator),
        nlp=_kinds(stages[StageName.NLP], Reader),
        insights=_kinds(stages[StageName.INSIGHTS], Observer),
    )


def _kinds(infos: Iterable[presence.Info], kind: type[K]) -> tuple[K, ...]:
    """The workers, those that are alike as one, in an order that does not change."""
    alike: dict[K, list[K]] = {}
    for info in infos:
        told = _read(info, kind)
        alike.setdefault(msgspec.structs.replace(told, concurrency=0), []).append(told)
    kinds = (
        msgspec.structs.replace(one, workers=len(group), concurrency=sum(each.concurrency for each in group))
        for one, group in alike.items()
    )
    return tuple(sorted(kinds, key=repr))


def _read(info: presence.Info, kind: type[K]) -> K:
    """What a worker told. One of another version that is not understood is one that says nothing."""
    try:
        return msgspec.convert(info, kind)
    except msgspec.ValidationError as error:
        log.warning("worker_not_understood", worker=info.get("worker"), error=str(error))
        return kind()


def _union(lists: Iterable[Sequence[T]]) -> Sequence[T]:
    """All that is in the lists; nothing when one of them says nothing."""
    given = list(lists)
    return sorted(set(chain.from_iterable(given))) if all(given) else ()
