"""The only encoders and decoders of the mesh: records as msgpack, what clients see as JSON."""

from typing import Any

import msgspec

from shared.messages import (
    Event,
    Failure,
    Kept,
    Message,
    Options,
    Record,
    Result,
    StageJob,
    TranscriptPart,
    TranslationPart,
    WebhookAttempt,
)

encode = msgspec.msgpack.Encoder().encode
"""msgpack of any message."""

encode_json = msgspec.json.Encoder().encode
"""JSON of any message, on one line."""

decode_record = msgspec.msgpack.Decoder(Record).decode
decode_job = msgspec.msgpack.Decoder(StageJob).decode
decode_options = msgspec.json.Decoder(Options).decode
decode_event = msgspec.json.Decoder(Event).decode
decode_transcript_part = msgspec.json.Decoder(TranscriptPart).decode
decode_translation_part = msgspec.json.Decoder(TranslationPart).decode
decode_plain = msgspec.json.Decoder(dict[str, Any]).decode
decode_failure = msgspec.json.Decoder(Failure).decode
decode_webhook_attempt = msgspec.json.Decoder(WebhookAttempt).decode
decode_kept = msgspec.json.Decoder(Kept).decode
decode_result = msgspec.json.Decoder(Result).decode


def encode_text(message: Message) -> str:
    """JSON of any message as text, for a script."""
    return encode_json(message).decode()


def raw_json(message: Message) -> msgspec.Raw:
    """`message` as a piece of JSON that goes into another message unchanged."""
    return msgspec.Raw(encode_json(message))


def pack(value: Any) -> bytes:
    """arq's job serializer: plain values as msgpack, so that nothing in Redis is ever unpickled."""
    return msgspec.msgpack.encode(value)


def unpack(data: bytes) -> Any:
    """The reverse of `pack`, for arq and for what a script returns."""
    return msgspec.msgpack.decode(data)
