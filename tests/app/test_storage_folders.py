"""Folders in the artifact storage: whole or not there, and never believed without being read."""

import hashlib
import json

import pytest

from app import storage
from app.errors import NotFound


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder behind the storage."""
    monkeypatch.setattr(storage.settings(), "artifact_url", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


@pytest.fixture
def folder(tmp_path):
    """A small model with its manifest."""
    made = tmp_path / "made"
    (made / "model").mkdir(parents=True)
    (made / "model" / "weights").write_bytes(b"w" * 3_000_000)
    (made / "README.md").write_text("A card.")
    names = ("model/weights", "README.md")
    files = {name: facts(made / name) for name in names}
    (made / "manifest.json").write_text(json.dumps({"files": files, "facts": {}}))
    (made / "not-named").write_text("left out")
    return made


def facts(path):
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_what_is_saved_comes_back_whole(kept, folder, tmp_path):
    manifest, size = storage.save_folder("runs/1/step-2", folder)
    assert size > 3_000_000
    (tmp_path / "back").mkdir()
    storage.read_folder("runs/1/step-2", manifest_sha256=manifest, into=tmp_path / "back")
    assert sorted(path.name for path in (tmp_path / "back").rglob("*") if path.is_file()) == [
        "README.md",
        "manifest.json",
        "weights",
    ]
    assert (tmp_path / "back" / "model" / "weights").read_bytes() == b"w" * 3_000_000
    storage.delete_folder("runs/1/step-2")
    assert not (kept / "runs/1/step-2").exists()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["model/weights", "manifest.json"])
@pytest.mark.parametrize("damage", [flip, truncate, lambda path: path.unlink()], ids=["flip", "truncate", "remove"])
def test_damage_is_found(kept, folder, name, damage):
    manifest, _size = storage.save_folder("runs/1/step-2", folder)
    damage(kept / "runs/1/step-2" / name)
    with pytest.raises(storage.Damaged):
        storage.read_folder("runs/1/step-2", manifest_sha256=manifest)


def test_a_copy_that_is_given_up_leaves_nothing(kept, folder):
    calls = []

    def give_up():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.save_folder("runs/1/step-2", folder, between=give_up)
    assert not (kept / "runs/1/step-2").exists()


def test_a_copy_that_was_written_wrong_is_not_kept(kept, folder):
    (folder / "README.md").write_text("Not what the manifest says.")
    with pytest.raises(storage.Damaged, match=r"README\.md"):
        storage.save_folder("runs/1/step-2", folder)
    assert not (kept / "runs/1/step-2").exists()


@pytest.mark.parametrize("name", ["../outside", "/absolute", ".hidden", "a/../b", "a//b", ""])
def test_names_in_a_manifest_cannot_climb(kept, folder, name):
    (folder / "manifest.json").write_text(json.dumps({"files": {name: {"sha256": "", "bytes": 0}}}))
    with pytest.raises(storage.Damaged):
        storage.save_folder("runs/1/step-2", folder)
    with pytest.raises(NotFound):
        storage.open_stored(name)
