"""The README.md of a trained model: what it is, how to use it, what it was measured on, where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workers.training.errors import BadInput
from workers.training.evaluation.slices import KINDS

# Parts of the metrics that have tables of their own.
DETAILS = ("reliability", "slices", "baselines", "noise_ceiling", "temperature")

BASELINES = {
    "length": "Length, fitted",
    "surface": "Length and formatting, fitted",
    "words": "Words (TF-IDF), fitted",
}

USE_PAIR = """tokenizer = AutoTokenizer.from_pretrained(folder)
batch = tokenizer([prompt], [response], split_special_tokens=True, padding=True, return_tensors="pt")"""
USE_TEMPLATE = """tokenizer = AutoTokenizer.from_pretrained(folder)
messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
text = tokenizer.apply_chat_template(messages, tokenize=False)
batch = tokenizer([text], add_special_tokens=False, padding=True, return_tensors="pt")"""
USE_TEXT = """tokenizer = AutoTokenizer.from_pretrained(folder)
parts = tokenizer([prompt, "\\n\\n", response], add_special_tokens=False, split_special_tokens=True)["input_ids"]
end = tokenizer.eos_token_id
begin = [token for token in tokenizer("")["input_ids"] if token != end]
batch = {"input_ids": torch.tensor([[*begin, *sum(parts, []), end]])}"""

GENERATE_TEMPLATE = """messages = [{"role": "user", "content": prompt}]
batch = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)"""
GENERATE_TEXT = """batch = tokenizer(prompt + "\\n\\n", return_tensors="pt")"""


def read_lineage(path: Path | None) -> dict[str, Any]:
    """The JSON object that the platform hands over (snapshot hash, guideline versions, annotators, licence ...)."""
    if path is None:
        return {}
    try:
        lineage = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"The lineage {path} cannot be read as JSON.") from error
    if not isinstance(lineage, dict):
        raise BadInput(f"The lineage {path} is no JSON object.")
    return lineage


def text(*, metrics: dict[str, Any], options: dict[str, Any], lineage: dict[str, Any], base: str, form: str) -> str:
    """`form` is how texts become tokens: pair, template or text (encoding.py)."""
    use = {"pair": USE_PAIR, "template": USE_TEMPLATE, "text": USE_TEXT}[form]
    lines = [
        *_front_matter(lineage, task="text-classification", tag="reward-model"),
        "# Reward model",
        "",
        f"Made from {_cell(base)}. It gives one score to a response to a prompt; the difference of two scores"
        + _scale(metrics),
        "is the log-odds that people prefer the first. Only differences between responses to one prompt mean anything.",
        *_normalised(metrics),
        "",
        "## Use",
        "```python",
        "import torch",
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
        "",
        use,
        "model = AutoModelForSequenceClassification.from_pretrained(folder)",
        "score = model(**batch).logits[:, 0]",
        "```",
        "",
        "## Held-out evaluation",
        *_headline(metrics),
        "A gain over length-only whose interval holds 0 means that the model may only have learnt to count.",
        "",
        *_table({name: value for name, value in metrics.items() if name not in DETAILS}),
        "",
        *_yardsticks(metrics),
        *_reliability(metrics.get("reliability") or []),
        *_slices(metrics.get("slices") or []),
        "## Lineage",
        *(_table(lineage) if lineage else ["None was given."]),
        "",
        "## Options",
        *_table(options),
        "",
    ]
    return "\n".join(lines)


def policy_text(
    *, kind: str, metrics: dict[str, Any], options: dict[str, Any], lineage: dict[str, Any], base: str, form: str
) -> str:
    """`kind` says in a sentence how a language model was trained; `form` is template or text (completions.py)."""
    lines = [
        *_front_matter(lineage, task="text-generation", tag="policy"),
        "# Policy",
        "",
        f"Made from {_cell(base)}. {kind}",
        "",
        "## Use",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        "tokenizer = AutoTokenizer.from_pretrained(folder)",
        "model = AutoModelForCausalLM.from_pretrained(folder)",
        GENERATE_TEMPLATE if form == "template" else GENERATE_TEXT,
        "written = model.generate(**batch, max_new_tokens=256)[0, batch['input_ids'].shape[1] :]",
        "answer = tokenizer.decode(written, skip_special_tokens=True)",
        "```",
        "",
        "## Held-out evaluation",
        *_table({name: value for name, value in metrics.items() if name not in DETAILS}),
        "",
        *_reliability(metrics.get("reliability") or []),
        *_slices(metrics.get("slices") or []),
        "## Lineage",
        *(_table(lineage) if lineage else ["None was given."]),
        "",
        "## Options",
        *_table(options),
        "",
    ]
    return "\n".join(lines)


def _scale(metrics: dict[str, Any]) -> str:
    scale = metrics.get("score_scale", 1.0)
    return "" if scale == 1.0 else f", times {scale:.6g},"


def _normalised(metrics: dict[str, Any]) -> list[str]:
    """Of scores that were made to have mean 0 and standard deviation 1: on what, from what, and how far it worked."""
    if metrics.get("score_scale", 1.0) == 1.0:
        return []
    before, after = (
        f"mean {metrics[f'reference_mean{when}']:.4g} and standard deviation {metrics[f'reference_std{when}']:.4g}"
        for when in ("_before", "")
    )
    return [
        "",
        f"Scores were normalised on {metrics['n_reference_answers']} reference answers: these had {before}, and have",
        f"{after} now. The evaluation below was done before, on scores whose differences are log-odds.",
    ]


def _headline(metrics: dict[str, Any]) -> list[str]:
    """The result in two sentences: accuracy beside what the length of the texts alone would have reached."""
    accuracy, baseline = metrics.get("eval_accuracy"), metrics.get("length_only_accuracy")
    if accuracy is None or baseline is None:
        return []
    model = _share(accuracy, metrics.get("eval_accuracy_interval"))
    length = _share(baseline, metrics.get("length_only_accuracy_interval"))
    sided = metrics["n_pairs"] - metrics["n_ties"]
    return [
        f"It names the better response of {model} of {sided} held-out pairs, from {metrics['n_clusters']} clusters of",
        f"prompts that it never saw. Choosing the longer text would be right on {length}.",
        "",
    ]


def _share(value: float, interval: list[float] | None) -> str:
    if not interval:
        return f"{value:.1%} (too few clusters for an interval)"
    return f"{value:.1%} (95% interval {interval[0]:.1%} to {interval[1]:.1%})"


def _yardsticks(metrics: dict[str, Any]) -> list[str]:
    """Baselines that do not understand a word, the most that any model could reach, and what a temperature changes."""
    if not metrics.get("baselines"):
        return []
    rows = [
        [BASELINES.get(name, name), _estimate(each, "accuracy"), _estimate(each, "model_gain"), each["nll"]]
        for name, each in metrics["baselines"].items()
    ]
    said = ["", *_ceiling(metrics.get("noise_ceiling") or {}), *_temperature(metrics.get("temperature") or {})]
    return [
        "### Beside baselines",
        "Fitted on the training pairs; the gain is this model minus the baseline, on the same held-out pairs.",
        "",
        *_rows(["baseline", "accuracy", "this model's gain", "NLL"], rows),
        *said,
        "",
    ]


def _ceiling(found: dict[str, Any]) -> list[str]:
    if found.get("single_vote") is None:
        return []
    side = "" if found.get("majority") is None else f" and with the side of a label in {found['majority']:.1%}"
    return [
        f"Noise ceiling: where two annotators take the same side in {found['base_agreement']:.1%}, no model could",
        f"agree with a single vote in more than {found['single_vote']:.1%}{side}.",
    ]


def _temperature(found: dict[str, Any]) -> list[str]:
    if not found:
        return []
    return [
        f"Divided by a temperature of {found['temperature']:.3g}, fitted on {found['n_fitted']} of the pairs, scores",
        f"have a NLL of {found['after']['nll']:.4g} instead of {found['before']['nll']:.4g} on the other pairs.",
    ]


def _reliability(bins: list[dict[str, Any]]) -> list[str]:
    if not bins:
        return []
    rows = [
        [
            f"{each['low']:.0%} to {each['high']:.0%}",
            each["n"],
            f"{each['predicted']:.1%}",
            _estimate(each, "observed"),
        ]
        for each in bins
    ]
    return [
        "### Reliability",
        "How sure the model is of the response it prefers, and how often people prefer that response too.",
        "",
        *_rows(["model's confidence", "pairs", "mean confidence", "observed share"], rows),
        "",
    ]


def _slices(kinds: list[dict[str, Any]]) -> list[str]:
    if not kinds:
        return []
    lines = ["### Accuracy by slices", "Slices of fewer than 30 pairs are too small to be measured."]
    for kind in kinds:
        columns = [KINDS.get(kind["by"], kind["by"]), "pairs", "this model", "length only", "difference"]
        names = ("accuracy", "length_only_accuracy", "accuracy_gain")
        rows = [
            [row["name"] or "not given", row["n"], *(_estimate(row, name) for name in names)] for row in kind["rows"]
        ]
        lines += ["", *_rows(columns, rows)]
        if kind["n_left_out"]:
            lines += ["", f"{kind['n_left_out']} smaller slices are not shown."]
    return [*lines, ""]


def _estimate(values: dict[str, Any], name: str) -> str:
    if values.get(name) is None:
        return "not enough data"
    interval = values.get(f"{name}_interval")
    return f"{values[name]:.1%}" + (f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval else "")


def _front_matter(lineage: dict[str, Any], *, task: str, tag: str) -> list[str]:
    lines = ["---", "library_name: transformers", f"pipeline_tag: {task}", f"tags: [{tag}]"]
    if isinstance(lineage.get("licence"), str):
        lines.append(f"license: {json.dumps(lineage['licence'])}")
    return [*lines, "---", ""]


def _table(values: dict[str, Any]) -> list[str]:
    return _rows(["what", "value"], [list(item) for item in values.items()])


def _rows(columns: list[str], rows: list[list[Any]]) -> list[str]:
    return [_line(columns), _line(["---"] * len(columns)), *map(_line, rows)]


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else _plain(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _plain(value: Any) -> str:
    """Objects and lists in words: a model card is read by people, metrics.json by programs."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(each)}" for name, each in value.items() if each is not None) or "nothing"
    if isinstance(value, list):
        if len(value) == 2 and all(isinstance(each, float) for each in value):
            return f"{value[0]:g} to {value[1]:g}"
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
