"""Make small stand-ins for the 34 sets of manifests/fugaku-llm.yaml, and a manifest that asks for as little of them.

    python bench/standins.py --out DIR [--scale 1e-5]
    kakehi plan DIR/fugaku-llm.yaml --machine manifests/machines/fugaku.yaml     the real sizes
    kakehi run DIR/fugaku-llm-small.yaml --work DIR/work                         the whole way, on the stand-ins

The text is made up: words drawn at random out of a short list for each kind of set, in documents of log-normal length.
It shows that the mix, the epochs and the layout come out; it says nothing about the sets. `fugaku-llm-small.yaml` is the
manifest with every number of its mix multiplied by the scale, fewer validation rows, and a smaller vocabulary, which is
all that so little text can train.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import zstandard
from ruamel.yaml import YAML

MANIFEST = Path(__file__).resolve().parents[1] / "manifests" / "fugaku-llm.yaml"

WORDS = {
    "ja": [
        "私は",
        "先生が",
        "東京都の",
        "研究所で",
        "新しい",
        "計算機を",
        "日本語の",
        "文章と",
        "図書館へ",
        "調べた。",
        "読んでいる。",
        "作りました。",
        "しかし",
        "また",
        "それから",
        "大規模な",
        "データを",
        "古い",
        "地図に",
    ],
    "en": [
        "the",
        "of",
        "a",
        "model",
        "data",
        "library",
        "server",
        "request",
        "reads",
        "writes",
        "under",
        "which",
        "because",
        "slowly",
        "there",
        "is",
        "no",
        "other",
        "way",
        "to",
        "say",
        "it.",
    ],
    "code": [
        "def",
        "return",
        "for",
        "in",
        "if",
        "else:",
        "self.",
        "(x)",
        "=",
        "+",
        "[0]",
        "import",
        "from",
        "yield\n",
        "\n",
        "",
        "",
        "",
        "True",
        "None",
        "#",
    ],
}
CHARACTERS_PER_TOKEN = 4  # enough that most sets are asked for less than an epoch


def main() -> None:
    """Write the stand-ins and both manifests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1e-5, help="tokens of a set, of its real ones")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    text = MANIFEST.read_text(encoding="utf-8")
    (options.out / MANIFEST.name).write_text(text, encoding="utf-8")
    tree = YAML(typ="rt").load(text)
    for name, tokens in tree["pack"]["mix"].items():
        few = max(1, round(tokens * options.scale))
        _write(options.out / "fugaku-llm" / name / "00000.jsonl.zst", _kind(name), few, seed=name)
        tree["pack"]["mix"][name] = few
    # Few rows: fewer lanes than the real jobs need, and a job for these.
    tree["pack"] |= {"validation_rows": 16, "lanes": 12}
    tree["index"] |= {
        "schedule": {"global_batch": 12, "eval_interval": 10, "eval_iters": 1},
        "jobs": [{"data_parallel": 12, "global_batch": 12}],
    }
    tree["train"] |= {"vocab_size": 500, "sample_characters": 50_000}
    with (options.out / "fugaku-llm-small.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="rt").dump(tree, file)


def _kind(name: str) -> str:
    if name.startswith(("swallow", "ca-cc", "ja-")):
        return "ja"
    return "code" if name in {"python", "rust", "tex", "markdown", "algebraic-stack"} else "en"


def _write(path: Path, kind: str, tokens: int, *, seed: str) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    path.parent.mkdir(parents=True, exist_ok=True)
    left, number = tokens * CHARACTERS_PER_TOKEN, 0
    joint = "" if kind == "ja" else " "
    with zstandard.open(path, "wt", encoding="utf-8") as file:
        while left > 0:
            words = max(5, int(rng.lognormvariate(5, 1)))
            text = joint.join(rng.choices(WORDS[kind], k=words))
            file.write(json.dumps({"id": f"{seed}-{number}", "text": text}, ensure_ascii=False) + "\n")
            left, number = left - len(text), number + 1


if __name__ == "__main__":
    main()
