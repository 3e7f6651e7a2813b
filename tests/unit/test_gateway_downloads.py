"""Names of files that clients save."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.downloads import attachment, is_known, stem_of


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("meeting.mp3", "meeting"),
        ("q1.review.final.wav", "q1.review.final"),
        ("../../../etc/cron.d/x.wav", "x"),
        ("C:\\x\\y.wav", "y"),
        (".wav", "wav"),
        ("..", "result"),
        ("", "result"),
        ("a\r\nSet-Cookie: b\x00.wav", "aSet-Cookie_ b"),
        ("x\u202egpj.exe", "xgpj"),
        ('say "hi"%22.wav', "say _hi__22"),
        ("con.wav", "_con"),
        ("запись 日.m4a", "запись 日"),
        ("é" * 300 + ".wav", "é" * 80),
    ],
)
def test_u17_u18_a_stem_is_safe_and_keeps_its_script(name: str, stem: str) -> None:
    """No path, no control, no name of a device; letters of any script stay."""
    assert stem_of(name) == stem


def test_a_name_goes_into_the_header_twice() -> None:
    """In ASCII for the old, whole for the rest."""
    assert (
        attachment("Ação 日.srt")
        == "attachment; filename=\"Acao _.srt\"; filename*=UTF-8''A%C3%A7%C3%A3o%20%E6%97%A5.srt"
    )


@given(st.text(max_size=600))
def test_u17_no_name_breaks_out_of_the_header(name: str) -> None:
    """Whatever the client called the file, the header is one line of ASCII with two quotation marks."""
    stem = stem_of(name)
    assert stem
    assert not set(stem) & set('/\\"<>:|?*%\r\n\0')
    assert len(stem.encode()) <= 330
    header = attachment(f"{stem}.srt")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert "\\" not in header


@pytest.mark.parametrize(
    ("sent", "known"), [(None, False), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("a", False)]
)
def test_a_copy_that_the_client_has_is_known(sent: str | None, known: bool) -> None:
    """Lists, weak tags and the star of `If-None-Match` are understood."""
    assert is_known('"a"', sent) == known
