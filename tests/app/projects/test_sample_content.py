"""The sample project is the first data a newcomer sees, and demonstrations lean on its statistics: these tests
keep it varied, valid, and free of the shortcut "longer is better". They read the files only."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "app" / "projects" / "sample"
DOMAINS = {
    "writing", "coding", "maths", "facts", "advice", "summarising", "translation", "safety", "formatting", "reasoning",
}  # fmt: skip
TASK_KEYS = {"task_id", "prompt", "responses", "domain", "language", "tags", "gold", "metadata"}
TIE_MARGIN = 0.05
BOTH_BAD_BELOW = 0.25

Task = dict[str, Any]


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    lines = (FOLDER / "tasks.jsonl").read_bytes().decode("utf-8", errors="strict").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def guidelines() -> str:
    return (FOLDER / "guidelines.md").read_bytes().decode("utf-8", errors="strict")


def qualities(task: Task) -> list[float]:
    return [response["metadata"]["quality"] for response in task["responses"]]


def lengths(task: Task) -> list[int]:
    return [len(response["text"]) for response in task["responses"]]


def best_position(task: Task) -> int:
    values = qualities(task)
    return values.index(max(values))


def prompt_text(task: Task) -> str:
    prompt = task["prompt"]
    return prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)


def shingles(text: str, size: int = 8) -> set[str]:
    """Character n-grams, since words are not separated by spaces in every language here."""
    plain = re.sub(r"\W+", " ", text.casefold()).strip()
    return {plain[i : i + size] for i in range(max(1, len(plain) - size + 1))}


def overlap(left: str, right: str) -> float:
    """Share of the shorter text's n-grams that stand in the other one as well."""
    a, b = shingles(left), shingles(right)
    return len(a & b) / min(len(a), len(b))


def gold_tasks(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task["gold"] is not None]


def test_there_are_enough_tasks_in_every_domain(tasks: list[Task]) -> None:
    assert len(tasks) >= 72
    per_domain = Counter(task["domain"] for task in tasks)
    assert set(per_domain) == DOMAINS
    assert min(per_domain.values()) >= 5
    assert max(per_domain.values()) <= len(tasks) / 5


def test_every_task_has_the_import_format(tasks: list[Task]) -> None:
    for task in tasks:
        assert set(task) == TASK_KEYS, task["task_id"]
        assert 2 <= len(task["responses"]) <= 4, task["task_id"]
        assert task["tags"] and all(re.fullmatch(r"[^\W_]+(-[^\W_]+)*", tag) for tag in task["tags"]), task["task_id"]
        for response in task["responses"]:
            assert set(response) == {"text", "model", "metadata"}, task["task_id"]
            assert response["text"] == response["text"].strip() != "", task["task_id"]


def test_languages_are_covered(tasks: list[Task]) -> None:
    languages = Counter(task["language"] for task in tasks)
    assert languages["en"] > len(tasks) / 2
    assert languages["de"] >= 4
    assert languages["fr"] >= 3
    assert languages["es"] >= 2
    assert languages["ar"] >= 2
    assert languages["ja"] + languages["zh"] >= 2


@pytest.mark.parametrize(
    ("language", "script"), [("ar", "[\u0600-\u06ff]"), ("ja", "[\u3040-\u30ff]"), ("zh", "[\u4e00-\u9fff]")]
)
def test_prompts_are_in_the_script_of_their_language(tasks: list[Task], language: str, script: str) -> None:
    for task in tasks:
        if task["language"] == language:
            assert len(re.findall(script, prompt_text(task))) >= 5, task["task_id"]


def test_text_survived_its_encodings(tasks: list[Task], guidelines: str) -> None:
    """One German task shows mojibake on purpose; a replacement or control character is never on purpose."""
    broken = re.compile("[\ufffd\u0000-\u0008\u000b-\u001f\u007f-\u009f]")
    for task in tasks:
        assert not broken.search(json.dumps(task, ensure_ascii=False)), task["task_id"]
    assert not broken.search(guidelines)


def test_formats_are_varied(tasks: list[Task]) -> None:
    def responses_with(pattern: str, task: Task) -> bool:
        return any(re.search(pattern, response["text"], re.MULTILINE) for response in task["responses"])

    assert sum("```" in prompt_text(task) or responses_with(r"^```", task) for task in tasks) >= 12
    assert sum(responses_with(r"^\|[\s:|-]*-{3}[\s:|-]*\|$", task) for task in tasks) >= 4
    assert sum(isinstance(task["prompt"], list) for task in tasks) >= 8
    long_tasks = [t for t in tasks if all(len(r["text"].split()) >= 300 for r in t["responses"])]
    assert len(long_tasks) >= 3


def test_code_fences_are_closed(tasks: list[Task]) -> None:
    for task in tasks:
        for text in [prompt_text(task), *(response["text"] for response in task["responses"])]:
            assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0, task["task_id"]


def test_chat_prompts_alternate_and_end_with_the_person(tasks: list[Task]) -> None:
    for task in tasks:
        if isinstance(task["prompt"], str):
            continue
        roles = [message["role"] for message in task["prompt"]]
        turns = roles[1:] if roles[0] == "system" else roles
        assert len(roles) >= 2, task["task_id"]
        assert turns == ["user" if i % 2 == 0 else "assistant" for i in range(len(turns))], task["task_id"]
        assert turns[-1] == "user", task["task_id"]
        assert all(message["content"].strip() for message in task["prompt"]), task["task_id"]


def test_task_ids_are_unique_and_consecutive(tasks: list[Task]) -> None:
    assert [task["task_id"] for task in tasks] == [f"sample-{n:03d}" for n in range(1, len(tasks) + 1)]


def test_no_two_prompts_are_near_duplicates(tasks: list[Task]) -> None:
    for left, right in combinations(tasks, 2):
        shared = overlap(prompt_text(left), prompt_text(right))
        assert shared < 0.5, (left["task_id"], right["task_id"], shared)


def test_responses_of_a_task_differ_in_substance(tasks: list[Task]) -> None:
    for task in tasks:
        texts = [response["text"] for response in task["responses"]]
        normalised = {" ".join(text.casefold().split()) for text in texts}
        assert len(normalised) == len(texts), task["task_id"]


def test_no_text_is_reused_or_left_unfinished(tasks: list[Task]) -> None:
    every_text = [response["text"] for task in tasks for response in task["responses"]]
    assert len(set(every_text)) == len(every_text)
    for text in every_text:
        assert not re.search(r"lorem ipsum|placeholder|\bTODO\b|\bFIXME\b|\bresponse [ABCD]\b", text, re.IGNORECASE), (
            text
        )


def test_qualities_are_spread(tasks: list[Task]) -> None:
    values = [value for task in tasks for value in qualities(task)]
    assert all(0 <= value <= 1 for value in values)
    for low, high in [(0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)]:
        assert sum(low <= value < high for value in values) >= 10, (low, high)
    gaps = [round(abs(a - b), 6) for task in tasks for a, b in combinations(qualities(task), 2)]
    assert sum(gap <= 0.1 for gap in gaps) >= 6
    assert sum(0.1 < gap <= 0.4 for gap in gaps) >= 30
    assert sum(gap > 0.6 for gap in gaps) >= 30


def test_some_tasks_have_no_good_response(tasks: list[Task]) -> None:
    assert sum(max(qualities(task)) < BOTH_BAD_BELOW for task in tasks) >= 2


def test_length_does_not_predict_quality(tasks: list[Task]) -> None:
    def best_is_shorter(task: Task) -> bool:
        best = best_position(task)
        others = [n for i, n in enumerate(lengths(task)) if i != best]
        return lengths(task)[best] < sum(others) / len(others)

    share_of_tasks = sum(best_is_shorter(task) for task in tasks) / len(tasks)
    assert 0.45 <= share_of_tasks <= 0.55, share_of_tasks

    pairs = [
        (qa - qb, na - nb)
        for task in tasks
        for (qa, na), (qb, nb) in combinations(zip(qualities(task), lengths(task), strict=True), 2)
    ]
    share_of_pairs = sum(quality * length < 0 for quality, length in pairs) / len(pairs)
    assert 0.40 <= share_of_pairs <= 0.60, share_of_pairs


def test_length_does_not_give_gold_away(tasks: list[Task]) -> None:
    sided = [task for task in gold_tasks(tasks) if task["gold"]["choice"].startswith("response_")]
    shorter = sum(lengths(task)[best_position(task)] == min(lengths(task)) for task in sided)
    assert 0.40 <= shorter / len(sided) <= 0.60, (shorter, len(sided))


@pytest.mark.parametrize("size", [2, 3])
def test_the_best_response_stands_anywhere(tasks: list[Task], size: int) -> None:
    positions = Counter(best_position(task) for task in tasks if len(task["responses"]) == size)
    total = sum(positions.values())
    for position in range(size):
        assert abs(positions[position] / total - 1 / size) <= 0.1, positions


def test_gold_tasks_are_clear_and_agree_with_the_latent_quality(tasks: list[Task]) -> None:
    gold = gold_tasks(tasks)
    assert len(gold) >= 14
    for task in gold:
        choice, values = task["gold"]["choice"], qualities(task)
        assert set(task["gold"]) == {"choice", "explanation"}, task["task_id"]
        assert len(values) == 2, task["task_id"]
        if choice == "tie":
            assert abs(values[0] - values[1]) <= TIE_MARGIN and min(values) > 0.5, task["task_id"]
        elif choice == "both_bad":
            assert max(values) < BOTH_BAD_BELOW, task["task_id"]
        else:
            assert choice == ["response_a", "response_b"][best_position(task)], task["task_id"]
            assert abs(values[0] - values[1]) >= 0.4, task["task_id"]


def test_gold_answers_are_balanced_over_the_sides(tasks: list[Task]) -> None:
    choices = Counter(task["gold"]["choice"] for task in gold_tasks(tasks))
    assert set(choices) == {"response_a", "response_b", "tie", "both_bad"}
    assert abs(choices["response_a"] - choices["response_b"]) <= 2


def test_gold_explanations_teach_without_naming_a_side(tasks: list[Task]) -> None:
    """The sides are shuffled for each serving, so "A", "left" or "the first" would be wrong half of the time."""
    for task in gold_tasks(tasks):
        explanation = task["gold"]["explanation"]
        assert 15 <= len(explanation.split()) <= 70, task["task_id"]
        assert not re.search(r"\b(response|reply|answer) [ab]\b|\bleft\b|\bright-hand\b|\bfirst (reply|response)\b",
                             explanation, re.IGNORECASE), task["task_id"]  # fmt: skip


def test_no_tag_or_metadata_tells_gold_apart(tasks: list[Task]) -> None:
    for task in tasks:
        assert "gold" not in json.dumps([task["tags"], task["metadata"], task["task_id"]]).lower(), task["task_id"]


def test_models_differ_but_the_strong_one_errs(tasks: list[Task]) -> None:
    by_model: dict[str, list[float]] = {}
    upsets = 0
    for task in tasks:
        seen = {response["model"]: response["metadata"]["quality"] for response in task["responses"]}
        assert len(seen) == len(task["responses"]), task["task_id"]
        for model, quality in seen.items():
            by_model.setdefault(model, []).append(quality)
        upsets += "sample-strong" in seen and seen["sample-strong"] < max(seen.values())
    mean = {model: sum(values) / len(values) for model, values in by_model.items()}
    assert mean["sample-strong"] > mean["sample-medium"] > mean["sample-weak"]
    assert upsets >= 8


def test_guidelines_are_readable_and_complete(guidelines: str) -> None:
    assert 700 <= len(guidelines.split()) <= 1000
    assert len(re.findall(r"^\*\*\d\. ", guidelines, re.MULTILINE)) == 6
    for term in [
        "Slightly better",
        "Clearly better",
        "Much better",
        "Tie",
        "Both bad",
        "Skip",
        "Length is not quality",
    ]:
        assert term in guidelines, term


def test_guidelines_do_not_give_gold_answers_away(tasks: list[Task], guidelines: str) -> None:
    for task in gold_tasks(tasks):
        for response in task["responses"]:
            if len(response["text"]) >= 40:
                assert overlap(response["text"], guidelines) < 0.3, task["task_id"]


def test_project_file_names_what_is_there(tasks: list[Task]) -> None:
    project = json.loads((FOLDER / "project.json").read_text(encoding="utf-8"))
    assert project["name"] and project["question"].endswith("?")
    assert project["language"] == "en"
    assert project["overlap"] == 3
    assert project["strength_steps"] == 3
    for key in ("guidelines", "tasks"):
        assert (FOLDER / project[key]).is_file(), key
