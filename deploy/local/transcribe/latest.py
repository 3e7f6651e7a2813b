"""What was said last in a recording that is being worked on."""

from collections import deque

from deploy.local.terminal import plain
from shared.client import Update
from shared.messages import TranscriptPart, TranslationPart


class Latest:
    """The sentences of a recording that came last; those of the translation once there are any."""

    def __init__(self, count: int) -> None:
        self.sentences: deque[str] = deque(maxlen=count)
        self._translated = False

    def take(self, update: Update) -> None:
        """Note what the event brings."""
        match update.partial:
            case TranscriptPart(segment=segment) if not self._translated:
                self.sentences.append(plain(segment.text))
            case TranslationPart(segment=segment) if segment.translation:
                if not self._translated:
                    self.sentences.clear()
                self._translated = True
                self.sentences.append(plain(segment.translation))
            case _:
                pass
