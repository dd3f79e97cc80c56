import json
import random
import subprocess
import sys

import pytest

from app.domain.labels import infer_scale
from app.errors import Invalid
from app.quality.reading import read_votes
from app.quality.summary import as_json, summarise

CHANCE = random.Random(1)
VOTES = [(f"i{n // 3}", f"w{n % 3}", CHANCE.choice("AAB")) for n in range(150)]


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
        (set(), (), None, False),
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
    for name in ("alpha_sym", "raw"):
        assert left[name] == pytest.approx(right[name], abs=1e-12)
        for end in ("low", "high"):
            assert left["intervals"][name][end] == pytest.approx(right["intervals"][name][end], abs=1e-12)
    assert left["alpha_nominal"] != pytest.approx(right["alpha_nominal"], abs=1e-3)


def run_command(path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "app", "agreement", str(path), *arguments], capture_output=True, text=True
    )


def write_jsonl(path, votes, clusters=None):
    rows = [{"item": i, "annotator": w, "label": label} for i, w, label in votes]
    for row, cluster in zip(rows, clusters or [], strict=False):
        row["cluster"] = cluster
    path.write_text("\n".join(map(json.dumps, rows)))


NAMES = ("raw", "alpha_sym", "alpha_nominal", "alpha_ordinal", "ac1", "fleiss")


def test_the_command_and_the_function_say_the_same(tmp_path):
    path = tmp_path / "votes.jsonl"
    write_jsonl(path, VOTES)
    said = json.loads(run_command(path, "--json").stdout)
    assert said == json.loads(json.dumps(as_json(summarise(VOTES))))
    assert {"n_items", "n_votes", "cohen", "intervals", *NAMES} <= set(said)
    assert (said["n_items"], said["n_votes"]) == (50, 150)
    for name in set(NAMES) - {"alpha_ordinal"}:
        assert said["intervals"][name]["low"] < said[name] < said["intervals"][name]["high"], name
    assert (said["alpha_ordinal"], said["intervals"]["alpha_ordinal"]["reason"]) == (None, "not_applicable")
    assert [pair["n_items"] for pair in said["cohen"]] == [50, 50, 50]


def test_the_table_says_why_an_interval_is_missing(tmp_path):
    path = tmp_path / "votes.jsonl"
    write_jsonl(path, VOTES[:60])
    out = run_command(path).stdout
    assert "fewer than 30 items with two votes" in out
    assert "does not apply to these labels" in out
    assert "no two annotators share 30 items" in out


def test_one_label_only_is_no_variation_in_command_and_json(tmp_path):
    path = tmp_path / "votes.jsonl"
    write_jsonl(path, [(i, w, "A") for i, w, _ in VOTES])
    assert "no variation" in run_command(path).stdout
    said = json.loads(run_command(path, "--json").stdout)
    for name in ("alpha_sym", "alpha_nominal", "ac1", "fleiss"):
        assert (said[name], said["intervals"][name]["reason"]) == (None, "no_variation")
    assert {(pair["kappa"], pair["reason"]) for pair in said["cohen"]} == {(None, "no_variation")}


def test_a_column_cluster_makes_intervals_over_clusters(tmp_path):
    clusters = [str(int(i[1:]) // 3) for i, _, _ in VOTES]
    path = tmp_path / "votes.jsonl"
    write_jsonl(path, VOTES, clusters)
    said = json.loads(run_command(path, "--json").stdout)
    assert said == json.loads(json.dumps(as_json(summarise(VOTES, clusters=clusters))))
    assert (said["n_clusters"], said["n_items"]) == (17, 50)
    assert said["intervals"]["raw"] != as_json(summarise(VOTES))["intervals"]["raw"]


def test_the_help_says_how_labels_become_sides_and_ordinals(tmp_path):
    out = " ".join(run_command(tmp_path, "--help").stdout.replace("│", " ").split())
    for words in ("A and B", "sides of a comparison", "A, tie, B as 1, 2, 3", "both_bad", "at least 30 items"):
        assert words in out


def test_krippendorffs_example_as_a_file(tmp_path):
    table = ["1 2 3 3 2 1 4 1 2 - - -", "1 2 3 3 2 2 4 1 2 5 - 3", "- 3 3 3 2 3 4 2 2 5 1 -", "1 2 3 3 2 4 4 1 2 5 1 -"]
    cells = [(u, r, label) for r, row in enumerate(table) for u, label in enumerate(row.split()) if label != "-"]
    path = tmp_path / "votes.csv"
    path.write_text("item,annotator,label\n" + "".join(f"u{u},r{r},{label}\n" for u, r, label in cells))
    said = json.loads(run_command(path, "--json").stdout)
    assert said["alpha_nominal"] == pytest.approx(0.7434, abs=5e-5)
    assert said["alpha_ordinal"] == pytest.approx(0.8154, abs=5e-5)
    assert said["ac1"] == pytest.approx(0.77544, abs=5e-6)
    assert said["intervals"]["ac1"]["reason"] == "too_few_items"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("v.csv", "item,annotator,label\n", "no votes"),
        ("v.csv", "item,who,label\na,b,A\n", "annotator"),
        ("v.csv", "item,annotator,label\na,b,\n", "Row 2, column label"),
        ("v.csv", "item,annotator,label\na,b,A\na,b,B\n", "already judged"),
        ("v.csv", "item,annotator,label,cluster\na,b,A,1\na,c,A,2\n", "in cluster 2 here and in 1 before"),
        ("v.csv", "item,annotator,label,cluster\na,b,A,\n", "Row 2, column cluster"),
        (
            "v.jsonl",
            '{"item":1,"annotator":1,"label":"A"}\n{"item":1,"annotator":2,"label":"A","cluster":1}\n',
            "Row 2",
        ),
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
