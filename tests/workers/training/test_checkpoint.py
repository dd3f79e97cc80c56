"""Checkpoints that are whole, or not used."""

import errno

import pytest

from workers.training.checkpoint import Checkpoints, Damaged, commit_folder, verify
from workers.training.errors import OutOfSpace


def writer(text="weights", fail=None):
    def write(folder):
        (folder / "model").mkdir()
        (folder / "model" / "model.safetensors").write_text(text)
        (folder / "optimizer.safetensors").write_text("moments")
        if fail is not None:
            raise fail

    return write


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def saved(folder, *steps, best=0):
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(step, writer(f"weights {step}"), {"step": step, "best_step": best or step})
    return checkpoints


def test_a_checkpoint_comes_back_with_its_facts(tmp_path):
    path, facts = saved(tmp_path, 5).latest(print)
    assert facts == {"step": 5, "best_step": 5}
    assert (path / "model" / "model.safetensors").read_text() == "weights 5"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: flip(f / "model" / "model.safetensors"), "model.safetensors is not what was saved"),
        (lambda f: (f / "optimizer.safetensors").write_text("mom"), "optimizer.safetensors is not what was saved"),
        (lambda f: (f / "optimizer.safetensors").unlink(), "optimizer.safetensors is missing"),
        (lambda f: (f / "manifest.json").write_text('{"format"'), "manifest cannot be read"),
        (lambda f: (f / "manifest.json").unlink(), "manifest cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, harm, said):
    checkpoints, heard = saved(tmp_path, 5, 10), []
    harm(checkpoints.path(10))
    with pytest.raises(Damaged, match=said):
        verify(checkpoints.path(10))
    path, facts = checkpoints.latest(heard.append)
    assert facts["step"] == 5
    assert path == checkpoints.path(5)
    assert "step 10 is damaged" in heard[0]["message"]


def test_without_a_whole_checkpoint_there_is_none(tmp_path):
    checkpoints = saved(tmp_path, 5)
    flip(checkpoints.path(5) / "optimizer.safetensors")
    assert checkpoints.latest(lambda _event: None) is None
    assert Checkpoints(tmp_path / "absent").latest(print) is None


def test_a_manifest_cannot_reach_outside_its_folder(tmp_path):
    checkpoints = saved(tmp_path / "run", 5)
    (tmp_path / "run" / "secret").write_text("x")
    manifest = checkpoints.path(5) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"optimizer.safetensors"', '"../secret"'))
    with pytest.raises(Damaged, match="secret is missing"):
        verify(checkpoints.path(5))


def test_the_last_two_and_the_best_they_name_are_kept(tmp_path):
    checkpoints = saved(tmp_path, 1)
    saved(tmp_path, 2)
    for step in (3, 4, 5):
        checkpoints.save(step, writer(), {"step": step, "best_step": 2})
    assert checkpoints.steps() == [2, 4, 5]
    checkpoints.save(6, writer(), {"step": 6, "best_step": 6})
    assert checkpoints.steps() == [2, 5, 6]  # step 5 still names step 2, and may be needed
    checkpoints.save(7, writer(), {"step": 7, "best_step": 6})
    assert checkpoints.steps() == [6, 7]


@pytest.mark.parametrize(
    "full",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_a_sentence_and_the_last_checkpoint_stays(tmp_path, full):
    checkpoints = saved(tmp_path, 5)
    with pytest.raises(OutOfSpace, match=r"disk is full: the checkpoint of step 10 .* step 5 is whole"):
        checkpoints.save(10, writer(fail=full), {"step": 10})
    assert checkpoints.latest(print)[1]["step"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]


def test_what_was_killed_while_writing_is_never_found(tmp_path):
    checkpoints = saved(tmp_path, 5)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(10, writer(fail=KeyboardInterrupt()), {"step": 10})
    (tmp_path / ".step-00000010.partial").mkdir()  # as a SIGKILL leaves it
    assert checkpoints.steps() == [5]
    checkpoints.save(10, writer(), {"step": 10, "best_step": 10})
    assert checkpoints.latest(print)[1]["step"] == 10


def test_a_folder_is_replaced_whole(tmp_path):
    commit_folder(tmp_path / "a", writer("one"), {})
    commit_folder(tmp_path / "a", writer("two"), {"n": 2})
    assert verify(tmp_path / "a") == {"n": 2}
    assert (tmp_path / "a" / "model" / "model.safetensors").read_text() == "two"
