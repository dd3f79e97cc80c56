import json
import subprocess
import sys

import pytest

from app.domain.labels import infer_scale
from app.errors import Invalid
from app.quality.reading import read_votes
from app.quality.summary import as_json, summarise

VOTES = [(f"i{n // 3}", f"w{n % 3}", "A" if (n * 7) % 5 < 3 else "B") for n in range(150)]


@pytest.mark.parametrize(
    ("labels", "names", "mirror", "is_ordered"),
    [
        ({"A", "B"}, ("A", "B"), [1, 0], False),
        ({"A", "B", "tie"}, ("A", "tie", "B"), [2, 1, 0], True),
        ({"A", "B", "tie", "both_bad"}, ("A", "tie", "B", "both_bad"), [2, 1, 0, 3], False),
        ({"a1", "equal"}, ("a1", "equal", "a2"), [2, 1, 0], True),
        ({"-2", "0", "1"}, ("-2", "0", "1"), None, True),
        ({"-2", "1", "2"}, ("-2", "-1", "1", "2"), [3, 2, 1, 0], True),
        ({"1", "2", "3"}, ("1", "2", "3"), None, True),
        ({"cat", "dog"}, ("cat", "dog"), None, False),
    ],
)
def test_what_labels_mean(labels, names, mirror, is_ordered):
    scale = infer_scale(labels)
    assert scale.names == names
    assert (scale.mirror.tolist() if scale.mirror is not None else None) == mirror
    assert (scale.values is not None) == is_ordered


def test_exchanging_the_sides_of_items_moves_plain_alpha_but_not_alpha_sym():
    other = {"A": "B", "B": "A"}
    swapped = [(i, w, other[label] if int(i[1:]) % 2 else label) for i, w, label in VOTES]
    left, right = as_json(summarise(VOTES)), as_json(summarise(swapped))
    assert left["alpha_sym"] == right["alpha_sym"]
    assert left["raw"] == right["raw"]
    assert left["alpha_nominal"]["value"] != right["alpha_nominal"]["value"]


def test_the_command_and_the_function_say_the_same(tmp_path):
    path = tmp_path / "votes.jsonl"
    rows = (json.dumps({"item": i, "annotator": w, "label": label}) for i, w, label in VOTES)
    path.write_text("\n".join(rows))
    run = subprocess.run(
        [sys.executable, "-m", "app", "agreement", str(path), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == json.loads(json.dumps(as_json(summarise(VOTES))))
    keys = {"n_items", "n_votes", "raw", "alpha_sym", "alpha_nominal", "alpha_ordinal", "ac1", "fleiss", "cohen"}
    assert keys <= set(json.loads(run.stdout))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("v.csv", "item,annotator,label\n", "no votes"),
        ("v.csv", "item,who,label\na,b,A\n", "annotator"),
        ("v.csv", "item,annotator,label\na,b,\n", "Row 2, column label"),
        ("v.csv", "item,annotator,label\na,b,A\na,b,B\n", "already judged"),
        ("v.jsonl", '{"item": 1}\n', "Row 1, column annotator"),
        ("v.jsonl", "[1]\n", "Row 1"),
        ("v.jsonl", "{nope\n", "Row 1 is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_row_and_column(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(Invalid) as refused:
        read_votes(path)
    assert said in refused.value.sentence()


def test_a_file_that_is_not_utf8_says_so(tmp_path):
    path = tmp_path / "v.csv"
    path.write_bytes(b"item,annotator,label\n\xff,b,A\n")
    with pytest.raises(Invalid, match="UTF-8"):
        read_votes(path)
