"""What a form asks for, whichever API it belongs to."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from services.gateway.intake import uploads
from services.gateway.intake.forms import FIELDS, options_of
from services.gateway.settings import Settings
from shared.messages import Options, StageName
from shared.steps import route_of


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a form asks for."""

    options: Options
    route: Sequence[StageName]


class RecordingForm(Protocol):
    """A form with a recording in it, for one request.

    `file_field` is where the recording is, `fields` are the names of the other fields. Where a client sends no
    idempotency key, `by_content` makes the same content the same task, as long as that has not ended without a result.
    `again` is the client's word that it sends this once more: it is not turned away before its content is known.
    """

    @property
    def file_field(self) -> str: ...

    @property
    def fields(self) -> frozenset[str]: ...

    @property
    def by_content(self) -> bool: ...

    @property
    def again(self) -> bool: ...

    def read(self, fields: Mapping[str, str], settings: Settings) -> Wish:
        """What the fields ask for. Raises `Problem` naming the one at fault."""
        ...


class OwnForm:
    """The form of `/audio/…`."""

    file_field = uploads.FILE_FIELD
    fields = FIELDS
    by_content = again = False

    def read(self, fields: Mapping[str, str], settings: Settings) -> Wish:
        return wish_of(options_of(fields, settings), audio=True)


OWN_FORM = OwnForm()


def wish_of(options: Options, *, audio: bool) -> Wish:
    """What the options ask for, of a recording or of a text."""
    translation = options.target_language is not None
    route = route_of(audio=audio, translation=translation, insights=options.include_insights)
    return Wish(options=options, route=route)
