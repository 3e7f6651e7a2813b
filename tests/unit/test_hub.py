"""Models come from a hub whole, checked and in one rename, or not at all. The hub is a server on this machine."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.models import discard_models
from shared.errors import MeshError
from shared.models import pull, store
from tests.fakes.hub import COMMIT, Hub, serving

FILES = {"config.json": b"{}", "sub/empty": b"", "model.bin": b"weights " * 50_000}
ALIEN = {"tf_model.h5": b"x", "onnx/model.onnx": b"x", ".gitattributes": b"x"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(FILES | ALIEN) as hub:
        yield hub


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def bring(models_dir: Path, hub: Hub, name: str = "owner/tiny", **environ: str) -> list[str]:
    said: list[str] = []
    pull.pull(models_dir, [name], report=said.append, environ={"HF_ENDPOINT": hub.url} | environ)
    return said


def test_a_model_of_a_hub_comes_whole_and_is_found(hub: Hub, models_dir: Path) -> None:
    """Its files are there but those for other libraries, checked by what the hub says, with a receipt of the commit."""
    assert bring(models_dir, hub)[-1] == "owner/tiny: ready"
    folder = store.find(models_dir, "owner/tiny", variable="X_MODEL")
    there = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert there.pop(store.RECEIPT)
    assert there == FILES
    model = store.known(models_dir)["owner/tiny"]
    assert model.hub is not None
    assert (model.hub.revision, model.licence) == (COMMIT, "mit")
    assert store.verify(models_dir, "owner/tiny") == []
    assert [path.name for path in models_dir.iterdir()] == ["owner--tiny"]


def test_what_is_there_needs_no_hub(hub: Hub, models_dir: Path) -> None:
    """A second pull does not ask; one of another revision does, and so does one that finds damage."""
    bring(models_dir, hub)
    hub.heard.clear()
    assert bring(models_dir, hub, f"owner/tiny@{COMMIT[:7]}") == ["owner/tiny: there already"]
    assert hub.heard == []
    bring(models_dir, hub, "owner/tiny@v2")
    assert hub.heard[0][0] == "/api/models/owner/tiny/revision/v2?blobs=true"
    (models_dir / "owner--tiny" / "model.bin").write_bytes(FILES["model.bin"].upper())
    assert bring(models_dir, hub)[-1] == "owner/tiny: ready"
    assert store.verify(models_dir, "owner/tiny") == []


def test_a_download_goes_on_where_it_stopped(hub: Hub, models_dir: Path) -> None:
    """A broken connection is told; the next pull asks for the rest alone, and all is right in the end."""
    hub.cuts["model.bin"] = 1000
    with pytest.raises(MeshError, match="pull again to go on") as caught:
        bring(models_dir, hub)
    assert caught.value.code == "model_download_failed"
    assert store.known(models_dir, models={}) == {}
    hub.heard.clear()
    bring(models_dir, hub)
    ranges = {path.rpartition("/")[2]: asked for path, asked, _ in hub.heard}
    assert ranges["model.bin"] == "bytes=1000-"
    assert "config.json" not in ranges
    assert store.verify(models_dir, "owner/tiny") == []


def test_other_contents_than_the_hub_named_are_refused(hub: Hub, models_dir: Path) -> None:
    """A file whose first part is of something else is thrown away, and the next pull gets it anew."""
    begun = models_dir / f".begun-owner--tiny-{COMMIT[:12]}"
    begun.mkdir(parents=True)
    (begun / "model.bin").write_bytes(b"other")
    with pytest.raises(MeshError, match=r"model\.bin of owner/tiny does not have the contents") as caught:
        bring(models_dir, hub)
    assert caught.value.code == "model_corrupt"
    assert bring(models_dir, hub)[-1] == "owner/tiny: ready"


def test_the_token_stays_with_the_hub(hub: Hub, models_dir: Path) -> None:
    """Hubs send on to other servers for files, which must not learn who asks."""
    with serving(FILES) as elsewhere:
        hub.elsewhere = elsewhere.url
        bring(models_dir, hub, HF_TOKEN="secret")
        assert {authorization for _, _, authorization in hub.heard} == {"Bearer secret"}
        assert {authorization for _, _, authorization in elsewhere.heard} == {None}


def test_what_cannot_be_had_says_why(hub: Hub, models_dir: Path) -> None:
    """No such model; a hub that is not there."""
    with pytest.raises(MeshError, match="owner/other could not be downloaded: there is none"):
        bring(models_dir, hub, "owner/other")
    with pytest.raises(MeshError, match=r"owner/tiny could not be downloaded: http://127\.0\.0\.1:1 does not answer"):
        bring(models_dir, hub, HF_ENDPOINT="http://127.0.0.1:1")


def test_a_file_outside_of_the_model_is_refused(models_dir: Path) -> None:
    """A hub cannot write where it likes."""
    with serving({"../evil": b"x"}) as hub, pytest.raises(MeshError, match="outside of the model"):
        bring(models_dir, hub)


def test_gc_removes_what_nothing_needs(hub: Hub, models_dir: Path) -> None:
    """Models that no setting names go, and what interrupted pulls left; others, and what is no model, stay."""
    bring(models_dir, hub)
    (models_dir / "mine").mkdir()
    hub.cuts["model.bin"] = 1000
    shutil.move(models_dir / "owner--tiny", models_dir.parent / "kept")
    with pytest.raises(MeshError):
        bring(models_dir, hub)
    shutil.move(models_dir.parent / "kept", models_dir / "owner--tiny")
    begun = f".begun-owner--tiny-{COMMIT[:12]}"

    def there() -> list[str]:
        return sorted(path.name for path in models_dir.iterdir())

    named = {"TRANSLATE_MODELS": f"whisper-base, en-de=owner/tiny@{COMMIT[:7]}"}
    discard_models(models_dir, named, dry_run=True)
    assert there() == [begun, "mine", "owner--tiny"]
    discard_models(models_dir, named, dry_run=False)
    assert there() == ["mine", "owner--tiny"]
    discard_models(models_dir, {}, dry_run=False)
    assert there() == ["mine"]


def test_gc_lets_a_pull_at_work_be(models_dir: Path) -> None:
    """What another process holds is not removed under its hands."""
    begun = models_dir / ".begun-owner--tiny-0"
    begun.mkdir(parents=True)
    held = os.open(begun, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert pull.discard(models_dir, (), dry_run=False) == []
    os.close(held)
    assert pull.discard(models_dir, (), dry_run=False) == [(begun.name, 0)]
