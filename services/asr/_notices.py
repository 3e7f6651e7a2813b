"""What a client has to know about a transcript. Pure."""

from collections.abc import Mapping

from shared.messages import Notice, StageName


def damaged(seconds: float, claimed: float | None) -> Notice:
    """Only `seconds` of the recording could be read; `claimed` is how long it is by its header, None if not told."""
    of = f" of {claimed:.1f}" if claimed and claimed > seconds else ""
    message = (
        f"The recording is damaged or was cut off: {seconds:.1f}{of} seconds of it could be read. "
        "Send the original again if something is missing."
    )
    return _notice(code="truncated_or_damaged", message=message)


def no_speech() -> Notice:
    """Nobody speaks."""
    message = "No speech was found. Check that the right file was sent and that the microphone was on."
    return _notice(code="no_speech", message=message)


def unsure(language: str | None) -> Notice:
    """`language` is half a guess."""
    message = (
        f"It is not certain that '{language}' is spoken; if it is not, the text is wrong. "
        "Name what is spoken with `language`."
    )
    return _notice(code="language_uncertain", message=message)


def mixed(languages: Mapping[str, float]) -> Notice:
    """More than one language is spoken; `languages` has their shares."""
    shares = ", ".join(f"{language} {share:.0%}" for language, share in languages.items())
    message = f"More than one language is spoken ({shares}); each segment names its own. If that is wrong, name one."
    return _notice(code="mixed_language", message=message)


def clamped() -> Notice:
    """Some words were said to end behind the end."""
    message = (
        "The recogniser timed some words behind the end of what it heard; they were put where they can be at most."
    )
    return _notice(code="times_clamped", message=message)


def hints_cut() -> Notice:
    """Prompt and hotwords did not fit."""
    message = "The initial prompt and the hotwords are too long for the recogniser; a part was left out. Send less."
    return _notice(code="prompt_truncated", message=message)


def speakers_unknown() -> Notice:
    """Nobody here tells speakers apart."""
    message = "Speakers cannot be told apart here (`diarize`); the segments name none."
    return _notice(code="speakers_unknown", message=message)


def _notice(*, code: str, message: str) -> Notice:
    return Notice(code=code, message=message, stage=StageName.ASR)


CLAMPED = clamped().code
"""What the segments are flagged with that have such words."""
