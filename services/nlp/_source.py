"""What a model reads, by the languages that it was made for."""

from collections.abc import Collection, Sequence

from shared.messages import Document, Notice, Options, Segment, StageName


class Source:
    """What a model for `languages` reads of each segment: the text, the translation if that is what it knows, or else
    the text all the same."""

    def __init__(
        self, segments: Sequence[Segment], document: Document, languages: Collection[str], options: Options
    ) -> None:
        self._languages = languages
        self._foreign: set[str] = set()
        translated = reads(languages, document.target_language)
        self.texts: list[str] = []
        for segment in segments:
            language = segment.language or options.language or document.language
            text = segment.text
            if language and not reads(languages, language):
                if translated and segment.translation:
                    text = segment.translation
                else:
                    self._foreign.add(language)
            self.texts.append(text)

    @property
    def words(self) -> int:
        """How many there are, about."""
        return sum(len(text.split()) for text in self.texts)

    def notices(self, *, code: str, subject: str) -> tuple[Notice, ...]:
        """A warning when text had to be read in a language that the model was not made for."""
        if not self._foreign:
            return ()
        known = ", ".join(sorted(self._languages))
        message = (
            f"{subject} may be poor: the model was made for {known}, and the text is in "
            f"{', '.join(sorted(self._foreign))}. Ask for a translation to {known} to have that read instead."
        )
        return (notice(code=code, message=message),)


def reads(languages: Collection[str], language: str | None) -> bool:
    """Whether a model for `languages` may be given text in `language`; text of unknown language may be tried."""
    return not languages or language is None or language.partition("-")[0].lower() in languages


def notice(*, code: str, message: str) -> Notice:
    """A warning of this stage."""
    return Notice(code=code, message=message, stage=StageName.NLP)
